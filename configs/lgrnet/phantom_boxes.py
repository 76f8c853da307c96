"""BASIC LGRNet that also gives a box of every chamber in every frame, on the phantom.

python tools/train_net.py --config-file configs/lgrnet/phantom_boxes.py
"""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.box_head import BoxHead

from .phantom import dataloader, evaluator, model, optimizer, schedule, train

model.decoder.box_head = L(BoxHead)(dim=64)
train.output_dir = "output/lgrnet/phantom_boxes"
