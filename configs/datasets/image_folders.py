"""Images and masks of one structure in folders image/ and mask/ (dataset image_folders).

The augmentation is for ultrasound, where the transducer is at the top: images are mirrored, but not
rotated by quarter turns and not turned upside down.
"""

from omegaconf import OmegaConf

from ..common.stills import evaluator, num_classes, test_loader, train_loader, val_loader

flip, quarter_turn, *others = train_loader.mapper.augmentations
flip.vertical = 0.0
train_loader.mapper.augmentations = [flip, *others]
train_loader.dataset = "image_folders_train"
val_loader.dataset = "image_folders_val"
test_loader.dataset = "image_folders_test"

dataloader = OmegaConf.create(
    {
        "train": train_loader,
        "test": {"image_folders_val": val_loader, "image_folders_test": test_loader},
    }
)
