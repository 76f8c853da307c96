"""Your own dataset, backbone and loss together. It starts from a config of the project.

python tools/train_net.py --config-file my_config.py
"""

from my_backbone import SmallConvNet
from my_loss import AreaTerm

from lgrseg.config import L, load_config

imports = ["my_dataset"]  # registers mine_train and mine_val
base = load_config("configs/lgrnet/demo.py", ["dataset=mine"], imports=imports)
dataset = base.dataset
train, model, optimizer = base.train, base.model, base.optimizer
schedule, dataloader, evaluator = base.schedule, base.dataloader, base.evaluator

model.backbone = L(SmallConvNet)(width=16)
model.encoder.in_channels = None  # those of the backbone
model.criterion.extra_terms = [L(AreaTerm)(weight=5.0)]
train.output_dir = "output/mine"
