"""AR-SEG: PVTv2-b0, a frozen mask tokenizer, and a decoder-only transformer."""

from lgrseg.config import L
from lgrseg.data import AnnotatedMapper
from lgrseg.modeling.autoregressive.frozen import frozen_tokenizer
from lgrseg.modeling.autoregressive.image_tokens import ImageTokens
from lgrseg.modeling.autoregressive.orders import NextScale
from lgrseg.modeling.autoregressive.quantizers import VectorQuantizer
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.modeling.autoregressive.teaching import Teacher
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer
from lgrseg.modeling.autoregressive.trunk import Trunk
from lgrseg.modeling.backbones import PVTv2

tokenizer = L(MaskTokenizer)(num_classes="???", quantizer=L(VectorQuantizer)(num_codes=1024, dim=8))
model = L(ARSegmenter)(
    backbone=L(PVTv2)(variant="b0", drop_path_rate=0.1),
    image_tokens=L(ImageTokens)(
        channels={"res2": 32, "res3": 64, "res4": 160, "res5": 256},
        strides={"res2": 4, "res3": 8, "res4": 16, "res5": 32},
        width="${..trunk.width}",
    ),
    tokenizer=L(frozen_tokenizer)(
        tokenizer=tokenizer, weights="output/tokenizer/checkpoints/last.safetensors"
    ),
    trunk=L(Trunk)(width=192, depth=4, num_heads=6, num_kv_heads=2, mlp_width=384),
    order=L(NextScale)(),
    teacher=L(Teacher)(),
    num_classes="???",
)


def use_annotated_frames(dataloader, *, num_frames, batch_size):
    """Train on annotated frames only, because every frame is segmented separately."""
    mapper = dataloader.train.mapper
    dataloader.train.mapper = L(AnnotatedMapper)(
        num_frames=num_frames, input_size=mapper.input_size, augmentations=mapper.augmentations
    )
    dataloader.train.batch_size = batch_size
