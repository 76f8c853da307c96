r"""LGSD alone, without any label, on all videos of the phantom's study preset.

    python tools/train_net.py --config-file configs/lgrnet/phantom_study_pretrain.py
    python tools/train_net.py --config-file configs/lgrnet/phantom_study.py \
        train.init_weights=output/lgrnet/phantom_study_pretrain/checkpoints/last.safetensors

The second command starts BASIC from its backbone and encoder; the decoder, which pre-training does
not touch, starts from random weights.
"""

from .phantom_study_lgsd import dataloader, evaluator, model, optimizer, schedule, train

dataloader.train.batch_size = 0
dataloader.train.unlabelled.batch_size = 2
dataloader.test = {}
model.weight.begin = model.weight.num_iterations = 0
train.find_unused_parameters = True  # the decoder's
train.output_dir = "output/lgrnet/phantom_study_pretrain"
