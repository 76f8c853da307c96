"""AR-SEG, next-scale prediction with a memory: the masks of the two frames before are known.

python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
python tools/train_net.py --config-file configs/ar_seg/video.py

Clips at test should show neighbouring frames, as those of phantom_demo and cardiac_udc do; the two
frames of a clip of CAMUS are half a beat apart. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.memory import MaskMemory

from .next_scale import dataloader, evaluator, model, optimizer, schedule, train

model.memory = L(MaskMemory)(width="${..trunk.width}", num_masks=2, side=4)
train.output_dir = "output/ar_video"
