r"""BASIC LGRNet on the phantom's study preset: several sites, sparse labels, hard on purpose.

    python tools/train_net.py --config-file configs/lgrnet/phantom_study.py
    python tools/train_net.py --config-file configs/lgrnet/phantom_study.py \
        dataloader.train.label_fraction=0.1 train.output_dir=output/phantom_study_10

Needs `python tools/prepare_dataset.py phantom_study --raw datasets/raw/phantom_study --out
datasets/phantom_study`.
"""

from .phantom import dataloader, evaluator, model, optimizer, schedule, train

dataloader.train.dataset = "phantom_study_train"
dataloader.test = {
    name.replace("demo", "study"): loader for name, loader in dataloader.test.items()
}
for name, loader in dataloader.test.items():
    loader.dataset = name

train.max_iter = 700  # 8 minutes on one core
train.ema_decay = 0.99
train.eval_period = 250
train.checkpoint_period = 250
train.output_dir = "output/lgrnet/phantom_study"
