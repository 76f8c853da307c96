"""BASIC LGRNet as in base.py, trained for an hour with stronger augmentation and weight decay.

    python tools/train_net.py --config-file configs/lgrnet/long.py

Hardware and time: two cores of an AMD EPYC, 0.54 s a step, 59 minutes. Dice on camus_4ch_val 0.9401
(left ventricle), 0.8686 (myocardium), 0.9178 (left atrium), mean 0.9088 (one seed). Augmentation is
stronger because the model overfitted in 5000 steps with the settings of base.py.
"""

from lgrseg.config import L
from lgrseg.data import RandomAffine, RandomContrast, RandomElastic, RandomGamma, RandomSpeckle

from .base import dataloader, evaluator, model, optimizer, schedule, train

model.criterion.num_points = 8192
dataloader.train.mapper.augmentations = [
    L(RandomAffine)(rotation=20.0, scale=0.25, shift=0.1),
    L(RandomElastic)(displacement=0.04, prob=0.7),
    L(RandomGamma)(gamma=1.6),
    L(RandomContrast)(contrast=0.3),
    L(RandomSpeckle)(strength=0.2),
]
optimizer.weight_decay = 0.05
train.max_iter = 6600
train.output_dir = "output/lgrnet_long"
