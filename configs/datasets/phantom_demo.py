"""The phantom's demo preset, at 128 px: training takes minutes on a CPU."""

from omegaconf import OmegaConf

from ..common.clips import evaluator, num_classes, test_loader, train_loader, val_loader

train_loader.dataset = "phantom_demo_train"
train_loader.batch_size = 2
train_loader.num_workers = 0
train_loader.mapper.input_size = [128, 128]
val_loader.dataset = "phantom_demo_val"
test_loader.dataset = "phantom_demo_test"
val_loader.num_workers = test_loader.num_workers = 0
val_loader.mapper.input_size = [128, 128]
test_loader.mapper.input_size = [128, 128]

dataloader = OmegaConf.create(
    {
        "train": train_loader,
        "test": {"phantom_demo_val": val_loader, "phantom_demo_test": test_loader},
    }
)
