r"""BASIC LGRNet on clips of your own, with masks beside them.

    python tools/prepare_dataset.py folder --raw my_clips --out datasets/mine --classes classes.yaml
    python tools/train_net.py --config-file configs/lgrnet/folder.py dataset=mine
    python tools/train_net.py --config-file output/mine/config.yaml --eval-only --datasets mine_test
    python tools/predict.py --config-file output/mine/config.yaml --input clips \
        --weights output/mine/checkpoints/last.safetensors --output output/predictions

For one fold of a cross-validation: dataset=mine_fold0. tools/cross_validate.py trains all of them.
Sized for a CPU or a small GPU; on a large one, dataloader.train.batch_size=8 and train.amp=true.
"""

from ..common.data.folder import dataloader, dataset, evaluator, num_classes
from ..common.models.lgrnet import model
from ..common.train import optimizer, schedule, train

model.decoder.num_classes = num_classes
model.decoder.ffn_dim = 512
model.encoder.pixel_ffn_dim = 256
model.encoder.query_ffn_dim = 512
model.criterion.num_points = 4096

optimizer.lr = 2e-3
optimizer.weight_decay = 0.01
train.max_iter = 2700
train.ema_decay = 0.998
train.eval_period = 500
train.export_videos = 3
train.output_dir = "output/${dataset}"
