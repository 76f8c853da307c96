r"""BOX-SAM2 on the phantom: a small SAM 2 from random weights, prompted with true boxes at test.

    python tools/train_net.py --config-file configs/box_sam2/demo_stills.py
    python tools/train_net.py --config-file configs/box_sam2/demo.py \
        train.init_weights=output/box_sam2_demo_stills/checkpoints/last.safetensors

Training has two parts, as for SAM 2: first on single frames, then on clips of annotated frames.
Without the first part, the model needs hundreds of steps more until it uses the boxes. At test,
each chamber is tracked through the whole video, from its true box on the first annotated frame.
demo_predicted.py uses predicted boxes instead.
"""

from lgrseg.config import L

from ..common.box_sam2 import model, use_boxes
from ..datasets.phantom_demo import dataloader, evaluator, num_classes
from ..lgrnet.demo import optimizer, schedule, train

size = 256
model.num_classes = num_classes
model.sam.variant = "nano"
model.sam.size = size
use_boxes(dataloader, evaluator, size=size, num_frames=3)
optimizer.lr = 5e-4
train.max_iter = 500
train.clip_norm = 1.0
train.find_unused_parameters = True
train.output_dir = "output/box_sam2_demo"
