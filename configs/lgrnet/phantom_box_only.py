"""LGRNet that gives boxes alone, on the phantom; its masks are the insides of its boxes.

python tools/train_net.py --config-file configs/lgrnet/phantom_box_only.py
"""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.decoder import BoxDecoder

from .phantom_boxes import dataloader, evaluator, model, optimizer, schedule, train

model.decoder = L(BoxDecoder)(**{k: v for k, v in model.decoder.items() if k != "_target_"})
model.criterion.mask_weight = model.criterion.dice_weight = 0.0
train.output_dir = "output/lgrnet/phantom_box_only"
