"""The interleaved model with Hiera-tiny, for CPUs; otherwise as hiera_dinov2.py.

python tools/train_net.py --config-file configs/foundation/hiera_tiny_dinov2.py
"""

from ..common.hiera_dinov2 import interleaved_model
from .hiera_dinov2 import dataloader, evaluator, num_classes, optimizer, schedule, train

model = interleaved_model("hiera_tiny", 96)
model.num_classes = num_classes
train.output_dir = "output/hiera_tiny_dinov2"
