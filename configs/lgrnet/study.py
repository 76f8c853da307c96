r"""The demo's model on the phantom's study preset, to compare methods that use few labels.

    python tools/train_net.py --config-file configs/lgrnet/study.py
    python tools/train_net.py --config-file configs/lgrnet/study.py method=hts+lgsd \
        dataloader.train.label_fraction=0.1

Needs `python tools/prepare_dataset.py phantom_study --raw datasets/raw/phantom_study --out
datasets/phantom_study`.
"""

from ..datasets.phantom_study import dataloader, evaluator
from .demo import model, optimizer, schedule, train

train.max_iter = 700  # 8 minutes on one core
train.ema_decay = 0.99
train.eval_period = 250
train.checkpoint_period = 250
train.output_dir = "output/lgrnet_study"
