"""The loaders of my_planes: dataset=planes.py."""

from configs.datasets.class_folders import dataloader, evaluator  # noqa: F401

num_classes = 2
dataloader.train.dataset = "planes_train"
for part in ("val", "test"):
    loader = dataloader.test.pop(f"class_folders_{part}")
    loader.dataset = f"planes_{part}"
    dataloader.test[f"planes_{part}"] = loader
