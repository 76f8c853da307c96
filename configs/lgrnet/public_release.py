r"""The model of LGRNet's public release (PVTv2-b2, SUN-SEG), for its checkpoints.

    python tools/predict.py --config-file configs/lgrnet/public_release.py \
        --weights ckpt.pth.tar --input VIDEO --output output/public --no-crop
    python tools/train_net.py --config-file configs/lgrnet/public_release.py --eval-only \
        train.init_weights=ckpt.pth.tar

With the same weights, the logits agree with the release to 1e-4. The settings below are those of
the release; the defaults of this project differ (docs/design.md). Training with this file uses the
losses, sampled points and clips of this project, and the optimiser of the release.
"""

from lgrseg.config import L
from lgrseg.data import WholeVideoSampler
from lgrseg.engine.solver import StepSchedule

from ..common.lgrnet import model
from ..common.train import optimizer, train
from ..datasets.sun_seg import dataloader, evaluator, num_classes

model.backbone.variant = "b2"
model.encoder.in_channels = {"res2": 64, "res3": 128, "res4": 320, "res5": 512}
model.encoder.query_ffn_dim = 2048
model.encoder.pixel_ffn_dim = 1024
model.decoder.ffn_dim = 2048
model.decoder.num_classes = num_classes

model.encoder.norm_over_clip = True  # so a result depends on the length of its clip
model.encoder.zero_padded_keys = True  # the softmax of small maps includes padding
model.decoder.attention_threshold = 0.5  # of a logit, not of a probability
model.presence_threshold = 0.0  # an object is always predicted

# The release processes a whole video as one clip.
for _loader in dataloader.test.values():
    _loader.mapper.frame_sampler = L(WholeVideoSampler)()

optimizer.lr = 1e-3
optimizer.backbone_lr_factor = 0.1
train.max_iter = 12_345  # 15 epochs with batches of 4
schedule = L(StepSchedule)(
    max_iter="${train.max_iter}", milestones=[0.2, 0.4, 0.6, 0.8], gamma=0.5, warmup=0
)
train.output_dir = "output/lgrnet_public_release"
