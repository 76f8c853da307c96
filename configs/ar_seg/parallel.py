"""Control of AR-SEG: the same trunk predicts all mask tokens in one step, independently.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/ar_seg/parallel.py
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.orders import NextScale

from .next_scale import dataloader, evaluator, model, optimizer, schedule, train

model.order = L(NextScale)(num_scales=1)
train.output_dir = "output/ar_parallel"
