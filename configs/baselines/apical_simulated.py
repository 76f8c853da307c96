r"""The model that comes with the package: PVTv2-b0 with FPN, trained on simulated scans only.

    make pretrained
    python tools/train_net.py --config-file output/apical_simulated/config.yaml --eval-only \
        --datasets camus_4ch_val

The first command simulates, trains with this file, and exports the weights. The second one needs a
prepared CAMUS. Measured on camus_4ch_val, Dice: left ventricle 0.859, myocardium 0.705, left atrium
0.737. Two cores of an AMD EPYC, 0.5 s a step, 25 minutes.
"""

from ..datasets.phantom_apical import dataloader, evaluator, num_classes
from .pvt_fpn import model, optimizer, schedule, train

model.num_classes = num_classes
optimizer.lr = 1e-3
train.max_iter = 3000
train.ema_decay = 0.998
train.eval_period = 0
train.checkpoint_period = 500
train.output_dir = "output/apical_simulated"
