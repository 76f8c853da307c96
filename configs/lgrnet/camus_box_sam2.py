r"""BOX-SAM2 on CAMUS: SAM 2.1 tiny with a frozen image encoder, true boxes on ED, ES followed.

    python tools/train_net.py --config-file configs/lgrnet/camus_box_sam2.py \
        model.sam.sam.weights=facebook/sam2.1-hiera-tiny

Without weights the image encoder would stay random: name a hub id, or a folder with
model.safetensors. Meant for one GPU; not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.sam2.tuning import frozen_image_encoder

from ..common.models.box_sam2 import model, true_boxes
from .camus import dataloader, evaluator, optimizer, schedule, train

size = 512
model.num_classes = 3
model.sam = L(frozen_image_encoder)(sam=model.sam)
model.sam.sam.size = size
dataloader.train.mapper.input_size = [size, size]
dataloader.test.camus_4ch_val.mapper = true_boxes(size)
evaluator.protocol = "true boxes on ED, ES followed, native resolution"
optimizer.lr = 1e-4
train.clip_norm = 0.1
train.find_unused_parameters = True
train.output_dir = "output/lgrnet/camus_box_sam2"
