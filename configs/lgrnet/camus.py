"""BASIC LGRNet on CAMUS (apical four-chamber, ED and ES), from random weights, on two CPU cores.

    python tools/train_net.py --config-file configs/lgrnet/camus.py
"""

from ..common.data.camus import dataloader, evaluator, num_classes
from ..common.models.lgrnet import model
from ..common.train import optimizer, schedule, train

model.decoder.num_classes = num_classes
train.output_dir = "output/lgrnet/camus"
