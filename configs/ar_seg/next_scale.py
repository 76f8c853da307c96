r"""AR-SEG, next-scale prediction: grids of 1, 2, 4, 8 and 16 tokens a side, in five steps.

    python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
    python tools/train_net.py --config-file configs/ar_seg/next_scale.py

With another dataset the tokenizer is in another folder:
model.tokenizer.weights=output/tokenizer_NAME/checkpoints/last.safetensors
"""

from ..common.ar_seg import model, use_annotated_frames
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

use_annotated_frames(dataloader, num_frames=1, batch_size=8)
model.num_classes = num_classes
model.tokenizer.tokenizer.num_classes = num_classes
optimizer.lr = 1e-3
optimizer.backbone_lr_factor = 0.6
optimizer.weight_decay = 0.05
schedule.warmup = 50
train.max_iter = 1800
train.clip_norm = 1.0
train.output_dir = "output/ar_next_scale"
