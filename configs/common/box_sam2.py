"""BOX-SAM2: SAM 2 that tracks one object per class from its box."""

from lgrseg.config import L
from lgrseg.data import AnnotatedMapper, PromptedMapper, WholeVideoSampler
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.modeling.sam2.network import build_sam2

model = L(BoxSam2)(
    sam=L(build_sam2)(variant="tiny", size=1024),
    criterion=L(SetCriterion)(num_classes="${..num_classes}"),
    num_classes="???",
)


def use_boxes(dataloader, evaluator, *, size, num_frames):
    """Train on clips of annotated frames; test on whole videos with true boxes.

    At test, every class has a box on the first frame that shows it.
    """
    dataloader.train.mapper = L(AnnotatedMapper)(
        num_frames=num_frames,
        input_size=[size, size],
        augmentations=dataloader.train.mapper.augmentations,
    )
    for loader in dataloader.test.values():
        loader.mapper = L(PromptedMapper)(
            frame_sampler=L(WholeVideoSampler)(), input_size=[size, size]
        )
    evaluator.protocol = "whole video, true boxes on the first annotated frame, native resolution"
