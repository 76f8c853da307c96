"""Tumours in MRI slices (brain_tumor_coco: 90 training, 30 validation and 30 test images)."""

from omegaconf import OmegaConf

from ..common.stills import evaluator, num_classes, test_loader, train_loader, val_loader

train_loader.dataset = "brain_tumor_coco_train"
val_loader.dataset = "brain_tumor_coco_val"
test_loader.dataset = "brain_tumor_coco_test"

dataloader = OmegaConf.create(
    {
        "train": train_loader,
        "test": {"brain_tumor_coco_val": val_loader, "brain_tumor_coco_test": test_loader},
    }
)
