"""BASIC LGRNet on PVTv2-b0, width 64. The number of classes is set by the dataset's config."""

from lgrseg.config import L
from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.lgrnet.decoder import MaskedDecoder
from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.model import LGRNet
from lgrseg.modeling.losses.criterion import SetCriterion

model = L(LGRNet)(
    backbone=L(PVTv2)(variant="b0", drop_path_rate=0.1),
    encoder=L(LGREncoder)(
        in_channels={"res2": 32, "res3": 64, "res4": 160, "res5": 256},
        dim=64,
        num_layers=3,
        num_frame_queries=20,
    ),
    decoder=L(MaskedDecoder)(num_classes="???", dim=64, num_queries=10, num_layers=3),
    criterion=L(SetCriterion)(num_classes="${..decoder.num_classes}"),
)
