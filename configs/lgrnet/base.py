"""BASIC LGRNet at a size for CPUs and small GPUs; on CAMUS unless another dataset is chosen.

    python tools/train_net.py --config-file configs/lgrnet/base.py
    python tools/train_net.py --config-file configs/lgrnet/base.py dataset=mine

Hardware and time on CAMUS: two cores of an AMD EPYC, 0.54 s a step, 24 minutes. Measured on
camus_4ch_val, Dice at native resolution: LV 0.935, myocardium 0.857, LA 0.915. long.py trains
for an hour. The FFNs are narrower than in the published model (256 and 512, not 1024 and 2048),
because they took a third of the encoder's time on a CPU. On a large GPU, add
dataloader.train.batch_size=8 train.amp=true.
"""

from ..common.lgrnet import model
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

model.decoder.num_classes = num_classes
model.decoder.ffn_dim = 512
model.encoder.pixel_ffn_dim = 256
model.encoder.query_ffn_dim = 512
model.criterion.num_points = 4096

dataloader.train.batch_size = 2
optimizer.lr = 2e-3
optimizer.weight_decay = 0.01
train.max_iter = 2700
train.ema_decay = 0.998
train.export_videos = 3
train.output_dir = "output/lgrnet"
