"""Labelled images, one folder per class: training_set/<class>/<name>.png, and val_set, test_set.

The augmentation is for ultrasound, where the transducer is at the top. Images are mirrored, but not
rotated by quarter turns and not turned upside down. Labelled videos work too:
frame_sampler.num_frames=8 chooses eight frames spread over each video. With
frame_sampler.jitter=1.0 in training, each of them is a random frame of its eighth of the video.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import LabelMapper, SegmentSampler, build_test_loader, build_train_loader
from lgrseg.evaluation import ClassificationEvaluator

from ..common.stills import augmentations

num_classes = 3
input_size = [224, 224]

flip, quarter_turn, *others = augmentations
flip.vertical = 0.0
test_mapper = L(LabelMapper)(frame_sampler=L(SegmentSampler)(num_frames=1), input_size=input_size)
dataloader = OmegaConf.create(
    {
        "train": L(build_train_loader)(
            dataset="class_folders_train",
            mapper=L(LabelMapper)(
                frame_sampler=L(SegmentSampler)(num_frames=1),
                input_size=input_size,
                augmentations=[flip, *others],
            ),
            batch_size=16,
            num_workers=2,
        ),
        "test": {
            "class_folders_val": L(build_test_loader)(
                dataset="class_folders_val", mapper=test_mapper
            ),
            "class_folders_test": L(build_test_loader)(
                dataset="class_folders_test", mapper=test_mapper
            ),
        },
    }
)
evaluator = L(ClassificationEvaluator, partial=True)(protocol="one label an image")
