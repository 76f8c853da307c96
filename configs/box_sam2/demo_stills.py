"""The first part of demo.py's training: single frames, from random weights.

python tools/train_net.py --config-file configs/box_sam2/demo_stills.py
"""

from .demo import dataloader, evaluator, model, optimizer, schedule, size, train

dataloader.train.mapper.num_frames = 1
for _loader in dataloader.test.values():
    _loader.mapper.every = 1
evaluator.protocol = "true boxes on every annotated frame, native resolution"
optimizer.lr = 1e-3
train.max_iter = 900
train.output_dir = "output/box_sam2_demo_stills"
