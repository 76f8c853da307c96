"""A U-Net with as many parameters as AR-SEG with its tokenizer, within 5%.

python tools/train_net.py --config-file configs/equal_size/unet.py

The files of this folder have equal data, augmentation and size; LGRNet reads clips, the others
separate frames. With an equal budget of time they make different numbers of steps, which
tools/time_steps.py prints. CAMUS, validation, 800 steps (51 minutes of one core), seed 0: mean Dice
0.899.
"""

from ..baselines.unet import dataloader, evaluator, model, num_classes, optimizer, schedule, train
from ..common.ar_seg import use_annotated_frames

use_annotated_frames(dataloader, num_frames=1, batch_size=8)
model.backbone.width = 28
model.head.in_channels = 28
train.output_dir = "output/equal_unet"
