"""The first part of phantom_box_sam2.py's training: single frames, from random weights.

python tools/train_net.py --config-file configs/lgrnet/phantom_box_sam2_stills.py
"""

from .phantom_box_sam2 import dataloader, evaluator, model, optimizer, schedule, size, train

dataloader.train.mapper.num_frames = 1
for loader in dataloader.test.values():
    loader.mapper.every = 1
evaluator.protocol = "true boxes on every annotated frame, native resolution"
optimizer.lr = 1e-3
train.max_iter = 900
train.output_dir = "output/lgrnet/phantom_box_sam2_stills"
