r"""BOX-SAM2 on the phantom, prompted at test with the boxes of a run of LGRNet.

    python tools/train_net.py --config-file configs/lgrnet/demo.py method=boxes
    python tools/train_net.py --config-file configs/box_sam2/demo_predicted.py \
        --eval-only train.init_weights=output/box_sam2_demo/checkpoints/last.safetensors

Each chamber is tracked through the whole video, from its most confident box. It is prompted again
where its mask and the predicted box disagree and the box is more confident than the mask.
"""

from lgrseg.config import L
from lgrseg.data import ClipMapper, WholeVideoSampler
from lgrseg.inference.frozen_run import FrozenRun

from .demo import dataloader, evaluator, model, optimizer, schedule, size, train

model.box_model = L(FrozenRun)(run="output/demo_boxes")
for _loader in dataloader.test.values():
    _loader.mapper = L(ClipMapper)(frame_sampler=L(WholeVideoSampler)(), input_size=[size, size])
evaluator.protocol = "whole video, boxes predicted, native resolution"
train.output_dir = "output/box_sam2_demo_predicted"
