"""CardiacUDC, apical four-chamber, split by site: every site is in one part only."""

from omegaconf import OmegaConf

from ..common.clips import evaluator, num_classes, test_loader, train_loader, val_loader

train_loader.dataset = "cardiac_udc_train"
val_loader.dataset = "cardiac_udc_val"
test_loader.dataset = "cardiac_udc_test"

dataloader = OmegaConf.create(
    {
        "train": train_loader,
        "test": {"cardiac_udc_val": val_loader, "cardiac_udc_test": test_loader},
    }
)
