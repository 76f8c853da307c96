"""The mask tokenizer of AR-SEG: 16 x 16 pixels a token, trained on masks alone.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
"""

from ..common.ar_seg import tokenizer as model
from ..common.masks import token_evaluator, use_masks
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, num_classes

use_masks(dataloader, num_classes=num_classes, batch_size=8)
evaluator = token_evaluator()
model.num_classes = num_classes
optimizer.lr = 2e-3
optimizer.weight_decay = 0.01
schedule.warmup = 50
train.max_iter = 1500
train.clip_norm = 1.0
train.eval_period = 0
train.output_dir = "output/tokenizer"
