r"""EMP-SSL with adversarial masks in the style of ADIOS-s, which hide a part of half of the crops.

    python tools/train_net.py --config-file configs/pretraining/emp_ssl_masks.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_emp_ssl_masks_camus \
        --output weights/resnet.pth

Everything else is as in emp_ssl.py. What VFM4US' own adversarial part computes is unpublished. The
run stops if a mask covers less than 2% or more than 90% of the crops. The folder `pictures` of the
run has masks, every `train.eval_period` steps.
"""

from lgrseg.config import L
from lgrseg.modeling.pretraining.adversarial_masks import AdversarialMasks, MaskNetwork

from .emp_ssl import (  # noqa: F401
    dataloader,
    evaluator,
    model,
    num_classes,
    optimizer,
    probe,
    schedule,
    train,
)

model.masks = L(AdversarialMasks)(network=L(MaskNetwork)(num_masks=4, width=8))
optimizer.lr_factors = {"masks": 1.0}
train.output_dir = "output/pretraining_emp_ssl_masks"
