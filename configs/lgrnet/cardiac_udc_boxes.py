"""BASIC LGRNet that also gives boxes, on CardiacUDC.

python tools/train_net.py --config-file configs/lgrnet/cardiac_udc_boxes.py

Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.box_head import BoxHead

from .cardiac_udc import dataloader, evaluator, model, optimizer, schedule, train

model.decoder.box_head = L(BoxHead)(dim=64)
train.output_dir = "output/lgrnet/cardiac_udc_boxes"
