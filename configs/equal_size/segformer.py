"""SegFormer-b0 with more blocks at strides 16 and 32: as large as AR-SEG, within 5%.

python tools/train_net.py --config-file configs/equal_size/segformer.py

CAMUS, validation, 1860 steps (47 minutes of one core), seed 0: mean Dice 0.902.
"""

from ..baselines.segformer import (
    dataloader,
    evaluator,
    model,
    num_classes,
    optimizer,
    schedule,
    train,
)
from ..common.ar_seg import use_annotated_frames

use_annotated_frames(dataloader, num_frames=1, batch_size=8)
model.backbone.depths = [2, 2, 3, 4]
train.output_dir = "output/equal_segformer"
