"""AR-SEG, next-token prediction along a Hilbert curve, so that consecutive tokens are neighbours.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/ar_seg/hilbert.py

Measured on the phantom only: docs/recipes/ar_seg.md.
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.orders import Hilbert

from .next_scale import dataloader, evaluator, model, optimizer, schedule, train

model.order = L(Hilbert)()
train.output_dir = "output/ar_hilbert"
