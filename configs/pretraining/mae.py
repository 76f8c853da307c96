r"""MAE: the encoder sees a quarter of the patches of a frame and predicts the others; no labels.

    python tools/train_net.py --config-file configs/pretraining/mae.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_mae_camus --output weights/mae.pth

The frames are those of usfm.py. model.ratio=0.25, 0.5 or 0.75 is the share of hidden patches;
model.backbone.name is mae_tiny, mae_small or mae_base. MAE's decoder has 8 blocks of 512 channels;
here are 2 of 128 for a CPU. Expected: not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.masked_autoencoder import MaskedAutoencoder

from .usfm import (  # noqa: F401
    dataloader,
    evaluator,
    num_classes,
    optimizer,
    probe,
    schedule,
    train,
)

model = L(MaskedAutoencoder)(
    backbone=L(build_encoder)(name="mae_tiny", weights=None),
    ratio=0.75,
    decoder_dim=128,
    decoder_depth=2,
    decoder_heads=4,
)
optimizer.betas = [0.9, 0.95]
train.output_dir = "output/pretraining_mae"
