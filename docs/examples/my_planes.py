"""Images of scan planes, one folder per class: RAW/training_set/abdomen/a.png and so on.

Prepare them: python tools/prepare_dataset.py planes --import my_planes --raw RAW --out
datasets/planes
"""

from lgrseg.data.datasets import register_raw_dataset
from lgrseg.data.datasets.stills import StillImages, in_class_folders

planes = StillImages(
    "planes",
    classes=("abdomen", "brain"),
    find=in_class_folders,
    source="Put one folder per class into RAW/training_set, RAW/val_set and RAW/test_set.",
)
register_raw_dataset("planes", planes)
