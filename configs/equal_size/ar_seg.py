"""AR-SEG, next scale, whose size the other files of this folder have; its tokenizer is counted.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/equal_size/ar_seg.py

CAMUS, validation, 1800 steps (58 minutes of one core), seed 0: mean Dice 0.901.
"""

from ..ar_seg.next_scale import dataloader, evaluator, model, optimizer, schedule, train

train.output_dir = "output/equal_ar_seg"
