r"""BOX-SAM2 on CardiacUDC: SAM 2.1 tiny with adapters on its image encoder; boxes on first frames.

    python tools/train_net.py --config-file configs/lgrnet/cardiac_udc_box_sam2.py \
        model.sam.sam.weights=facebook/sam2.1-hiera-tiny

Needs `pip install "lgrseg[peft]"`, and weights as in camus_box_sam2.py. For boxes every k frames
set `dataloader.test.cardiac_udc_val.mapper.every=k`. Meant for one GPU; not measured yet.
"""

from lgrseg.config import L
from lgrseg.data import AnnotatedMapper
from lgrseg.modeling.sam2.tuning import lora_image_encoder

from ..common.models.box_sam2 import model, true_boxes
from .cardiac_udc import dataloader, evaluator, optimizer, schedule, train

size = 512
model.num_classes = 4
model.sam = L(lora_image_encoder)(sam=model.sam, rank=8)
model.sam.sam.size = size
dataloader.train.mapper = L(AnnotatedMapper)(
    num_frames=4,
    input_size=[size, size],
    augmentations=dataloader.train.mapper.augmentations,
)
dataloader.train.batch_size = 1
for loader in dataloader.test.values():
    loader.mapper = true_boxes(size)
evaluator.protocol = "whole video, true boxes on the first annotated frame, native resolution"
optimizer.lr = 1e-4
train.clip_norm = 0.1
train.find_unused_parameters = True
train.output_dir = "output/lgrnet/cardiac_udc_box_sam2"
