"""Clips of your own: dataset=NAME, if no file in this folder has that name.

NAME is a dataset prepared by `tools/prepare_dataset.py folder`, or registered in Python. It has the
parts NAME_train and NAME_val. The number of classes is read from the dataset.
"""

from omegaconf import OmegaConf

from lgrseg.data.described import num_classes_of

from ..common.clips import evaluator, train_loader, val_loader

dataset = "mine"
num_classes = num_classes_of("${dataset}_train")
input_size = [256, 256]

train_loader.dataset = "${dataset}_train"
train_loader.mapper.input_size = input_size
train_loader.batch_size = 2
train_loader.num_workers = 2
val_loader.dataset = "${dataset}_val"
val_loader.mapper.input_size = input_size
val_loader.mapper.frame_sampler.num_frames = 7

dataloader = OmegaConf.create({"train": train_loader, "test": {"val": val_loader}})
evaluator.protocol = "annotated frame in the middle of a dense clip of 7, native resolution"
