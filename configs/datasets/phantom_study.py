"""The phantom's study preset, at 128 px: several sites, sparse labels, difficult on purpose."""

from .phantom_demo import dataloader, evaluator, num_classes

dataloader.train.dataset = "phantom_study_train"
_val, _test = dataloader.test.values()
_val.dataset = "phantom_study_val"
_test.dataset = "phantom_study_test"
dataloader.test = {"phantom_study_val": _val, "phantom_study_test": _test}
