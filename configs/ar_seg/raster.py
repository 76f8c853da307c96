r"""AR-SEG, next-token prediction: the mask tokens one by one, row by row.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/ar_seg/raster.py
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.orders import Raster

from .next_scale import dataloader, evaluator, model, optimizer, schedule, train

model.order = L(Raster)()
train.output_dir = "output/ar_raster"
