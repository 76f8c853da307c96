r"""AR-SEG, next-scale prediction with a memory: the masks of the two frames before are known.

    python tools/train_net.py --config-file configs/ar_seg/tokenizer.py
    python tools/train_net.py --config-file configs/ar_seg/next_scale.py
    python tools/train_net.py --config-file configs/ar_seg/video.py \
        train.init_weights=output/ar_next_scale/checkpoints/last.safetensors \
        train.max_iter=200 optimizer.lr=3e-4

The weights of next_scale.py can be left out, with as many steps as there. The masks of a video go
on from clip to clip, so a video may have any length. Clips at test should show neighbouring frames,
as those of phantom_demo and cardiac_udc do. The two frames of CAMUS are half a beat apart.
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.memory import MaskMemory

from .next_scale import dataloader, evaluator, model, optimizer, schedule, train

model.memory = L(MaskMemory)(width="${..trunk.width}", num_masks=2, side=4)
train.output_dir = "output/ar_video"
