"""SUN-SEG, colonoscopy videos with one structure: dense clips in training, whole videos at test."""

from omegaconf import OmegaConf

from ..common.clips import evaluator, test_loader, train_loader

num_classes = 1
input_size = [352, 352]

train_loader.dataset = "sun_seg_train"
train_loader.mapper.input_size = input_size
test_loader.mapper.input_size = input_size
test_loader.dataset = "sun_seg_test_easy_unseen"

dataloader = OmegaConf.create(
    {"train": train_loader, "test": {"sun_seg_test_easy_unseen": test_loader}}
)
