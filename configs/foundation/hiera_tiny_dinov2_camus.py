"""The interleaved model with Hiera-tiny, otherwise hiera_dinov2_camus.py: for CPUs.

python tools/train_net.py --config-file configs/foundation/hiera_tiny_dinov2_camus.py
"""

from ..common.models.hiera_dinov2 import interleaved_model
from .hiera_dinov2_camus import dataloader, evaluator, num_classes, optimizer, schedule, train

model = interleaved_model("hiera_tiny", 96)
model.num_classes = num_classes
train.output_dir = "output/foundation/hiera_tiny_dinov2_camus"
