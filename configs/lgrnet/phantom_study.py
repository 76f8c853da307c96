r"""BASIC LGRNet on the phantom's study preset: several sites, sparse labels, hard on purpose.

    python tools/train_net.py --config-file configs/lgrnet/phantom_study.py
    python tools/train_net.py --config-file configs/lgrnet/phantom_study.py \
        dataloader.train.label_fraction=0.1 train.output_dir=output/phantom_study_10

Needs `python tools/prepare_dataset.py phantom_study --raw datasets/raw/phantom_study --out
datasets/phantom_study`.
"""

from ..common.data.phantom import dataloader, evaluator, num_classes
from ..common.models.lgrnet import model
from ..common.train import optimizer, schedule, train

model.decoder.num_classes = num_classes
model.decoder.ffn_dim = 256
model.encoder.pixel_ffn_dim = 128
model.encoder.query_ffn_dim = 256
model.encoder.num_scans = 1

dataloader.train.dataset = "phantom_study_train"
dataloader.test = {
    name.replace("demo", "study"): loader for name, loader in dataloader.test.items()
}
for name, loader in dataloader.test.items():
    loader.dataset = name

optimizer.lr = 2e-3
schedule.warmup = 50
train.max_iter = 1000
train.eval_period = 250
train.checkpoint_period = 250
train.export_videos = 3
train.output_dir = "output/lgrnet/phantom_study"
