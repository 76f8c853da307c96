r"""BOX-SAM2: SAM 2.1 tiny with a frozen image encoder; on CAMUS unless another dataset is chosen.

    python tools/train_net.py --config-file configs/box_sam2/base.py \
        model.sam.sam.weights=facebook/sam2.1-hiera-tiny

The weights are a hub id, or a folder with model.safetensors. Without weights, the frozen image
encoder would stay random. At test, each object is tracked through the whole video, from its true
box on the first annotated frame. For a true box every k frames, set
dataloader.test.camus_4ch_val.mapper.every=k. The settings are for one GPU. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.sam2.tuning import frozen_image_encoder

from ..common.box_sam2 import model, use_boxes
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

size = 512
model.num_classes = num_classes
model.sam = L(frozen_image_encoder)(sam=model.sam)
model.sam.sam.size = size
use_boxes(dataloader, evaluator, size=size, num_frames=2)
dataloader.train.batch_size = 2
optimizer.lr = 1e-4
optimizer.weight_decay = 0.01
train.max_iter = 2700
train.ema_decay = 0.998
train.clip_norm = 0.1
train.find_unused_parameters = True
train.output_dir = "output/box_sam2"
