"""LGRNet (BASIC) with wider FFNs, as in the published model: as large as AR-SEG, within 5%.

python tools/train_net.py --config-file configs/equal_size/lgrnet.py

Not measured yet.
"""

from ..lgrnet.base import dataloader, evaluator, model, num_classes, optimizer, schedule, train

model.encoder.pixel_ffn_dim = 1024
model.encoder.query_ffn_dim = 2048
model.decoder.ffn_dim = 1024
train.output_dir = "output/equal_lgrnet"
