r"""The plain mask tokenizer: the class of each cell of 8 x 8 pixels, and a learned upsampler.

    python tools/train_net.py --config-file configs/ar_seg/grid_tokenizer.py

Without training, it is nearest-neighbour interpolation, whose Dice is the limit of class indices
without learning: add train.max_iter=1 optimizer.lr=0.
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.codec import CellShares, CellUpsampler
from lgrseg.modeling.autoregressive.quantizers import ClassIndices
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer

from .tokenizer import dataloader, evaluator, num_classes, optimizer, schedule, train

model = L(MaskTokenizer)(
    num_classes=num_classes,
    quantizer=L(ClassIndices)(num_classes="${..num_classes}"),
    encoder=L(CellShares)(stride=8),
    decoder=L(CellUpsampler)(num_classes="${..num_classes}", stride="${..encoder.stride}"),
)
train.output_dir = "output/grid_tokenizer"
