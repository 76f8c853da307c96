r"""BOX-SAM2 with adapters on the image encoder; on CardiacUDC unless another dataset is chosen.

    python tools/train_net.py --config-file configs/box_sam2/lora.py \
        model.sam.sam.weights=facebook/sam2.1-hiera-tiny

Needs `pip install "lgrseg[peft]"`, and weights as in base.py. The settings are for one GPU. Not
measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.sam2.tuning import lora_image_encoder

from ..common.box_sam2 import model, use_boxes
from ..datasets.cardiac_udc import dataloader, evaluator, num_classes
from ..lgrnet.full_size import optimizer, schedule, train

size = 512
model.num_classes = num_classes
model.sam = L(lora_image_encoder)(sam=model.sam, rank=8)
model.sam.sam.size = size
use_boxes(dataloader, evaluator, size=size, num_frames=4)
dataloader.train.batch_size = 1
optimizer.lr = 1e-4
train.clip_norm = 0.1
train.find_unused_parameters = True
train.output_dir = "output/box_sam2_lora"
