"""AR-SEG: the mask tokens are points of a fixed grid (FSQ, 8 x 8 x 8 = 512 codes), not learned.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py method=scalar_codes
python tools/train_net.py --config-file configs/ar_seg/next_scale.py method=scalar_codes
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.quantizers import ScalarQuantizer


def change(cfg):
    """Replace the codes of a tokenizer, or of the tokenizer in AR-SEG."""
    of_segmenter = "image_tokens" in cfg.model
    tokenizer = cfg.model.tokenizer.tokenizer if of_segmenter else cfg.model
    if "quantizer" not in tokenizer:
        raise ValueError("method=scalar_codes changes the codes of AR-SEG: use a config of ar_seg/")
    tokenizer.quantizer = L(ScalarQuantizer)(levels=[8, 8, 8])
    if of_segmenter:
        cfg.model.tokenizer.weights = "output/tokenizer_scalar_codes/checkpoints/last.safetensors"
