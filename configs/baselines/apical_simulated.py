r"""The model that comes with the package: PVTv2-b0 with FPN, trained on simulated scans only.

    make pretrained

This command runs tools/prepare_dataset.py phantom_apical, tools/train_net.py with this file, and
tools/export_weights.py. No real image is used in training. If CAMUS is prepared, the model is
tested on it.
"""

from ..datasets.phantom_apical import dataloader, evaluator, num_classes
from .pvt_fpn import model, optimizer, schedule, train

model.num_classes = num_classes
optimizer.lr = 1e-3
train.max_iter = 3000
train.ema_decay = 0.998
train.eval_period = 0
train.checkpoint_period = 500
train.output_dir = "output/apical_simulated"
