"""AR-SEG, next scale, whose size the other files of this folder have; its tokenizer is counted.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/equal_size/ar_seg.py

Not measured yet.
"""

from ..ar_seg.next_scale import dataloader, evaluator, model, optimizer, schedule, train

train.output_dir = "output/equal_ar_seg"
