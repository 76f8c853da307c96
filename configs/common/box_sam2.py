"""BOX-SAM2: SAM 2 that tracks one object per class from its box."""

from lgrseg.config import L
from lgrseg.data import PromptedMapper, WholeVideoSampler
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.modeling.sam2.network import build_sam2

model = L(BoxSam2)(
    sam=L(build_sam2)(variant="tiny", size=1024),
    criterion=L(SetCriterion)(num_classes="${..num_classes}"),
    num_classes="???",
)


def true_boxes(size):
    """Test clips: whole videos, with the box of every class on the first frame that has it."""
    return L(PromptedMapper)(frame_sampler=L(WholeVideoSampler)(), input_size=[size, size])
