"""Which test takes which command: each group is a list of parts of commands.

A command in no group, or in TAKE_LONG, runs in test_commands_run.py.
"""

from documentation.pages import COMMANDS

OWN_CLIPS = (
    "--out datasets/mine --classes",
    "train_net.py --config-file configs/lgrnet/base.py dataset=mine",
    "output/lgrnet_mine --i",
    "--eval-only --datasets mine_test",
    "dataset=mine train.init_weights=apical_simulated",
)
"""Commands that build on each other, and run in one slow test."""
FIRST = [  # the others need what these write: the fixture `place` runs them
    "python tools/prepare_dataset.py camus --raw path/to/CAMUS --out datasets/camus --workers 4",
    "python tools/train_net.py --config-file configs/lgrnet/base.py",
]
TAKE_LONG = [
    "torchrun",
    "ablation.py",
    "visualize_features.py",
    "compare_backbones.py",
    "compare_runs.py",
    "benchmark.py metrics",
    "--resume",
    "rotation=30",
    "lgrnet/config.yaml --eval-only",
    "method=boxes+lgsd",
    "analyze_model.py",
    "plot_curves.py",
    "configs/baselines/",
    "ar_seg/tokenizer.py",
    "lgrnet/long.py",
    "predict.py --config-file output/demo",
    "batch.py --input path/to/clips",
    "configs/equal_size/",
    "efficientnet",  # its training, and the evaluation of that run
]
OTHER_MODELS = ["configs/equal_size/", "configs/foundation/efficientnet"]
"""Trainings that are parsed by default, and run with `-m slow`; test_configs.py takes a step."""
BOXES = ("box_sam2", "demo.py method=boxes")
"""Commands with one of these in them build on each other, and run in one slow test."""
PRETRAINING = (
    "configs/pretraining/",
    "pretraining_data.py",
    "export_encoder.py --run output/pretraining",
    "export_encoder.py --run output/emp",
    "weights/camus.pth",
    "probe_encoders",
)
"""These, too: an encoder is pretrained, saved, and loaded."""
PARSED = {
    "benchmark.py all": "measures for a quarter of an hour",
    "benchmark.py boxes": "measures for minutes",
    "benchmark.py tokens": "measures for minutes",
    "ar_seg/raster.py": "needs the run of the tokenizer; test_configs.py takes a step",
    "ar_seg/next_scale.py": "needs the run of the tokenizer; test_configs.py takes a step",
    "benchmark.py images": "measures for a minute",
    "benchmark.py backbones": "measures for a quarter of an hour",
    "dinov2_small=weights": "needs published weights, and images of brain tumours",
    "configs/generation/": "needs 1500 simulated patients; tests of the engine train another",
    "weights/simulated.pth": "needs a run on 1500 simulated patients; test_exporting.py has parts",
    "translate_dataset.py": "needs the run of a CycleGAN; tests of the engine run it",
    "enhance_images.py": "needs the run of an enhancer; tests of the engine run it",
    "dataset=phantom_apical": "needs 1500 simulated patients; the tests of data prepare three",
    "dataset=[camus_4ch_train,phantom_apical_train]": "needs 1500 simulated patients, too",
    "dataset=translated_train": "needs simulated patients that a CycleGAN has translated",
    "output/tokenizer_5_percent": "test_configs.py takes a step of each config",
    "method=lgsd+without_labels dataloader": "test_teaching.py trains such a model",
    "base.py dataloader.train.label_fraction=0.05": "base.py trains already, into the same folder",
    "output/ar_orders": "needs the run of the tokenizer, and trains twelve models",
    "training_videos=False": "needs 1500 simulated patients, and CAMUS",
    "config-file lgrseg/pretrained": "needs CAMUS",
    "baselines/apical_simulated.py method=": "needs 1500 simulated patients, and CAMUS",
    "tools/serve.py": "serves until it is ended; tests of the service start it",
    "tools/remote.py": "needs a running service; tests of the service start one",
    "robustness.py": "tests for minutes; its own tests run it",
    "ar_controls.py": "needs the run of an AR-SEG, which test_controls.py builds",
    "time_steps.py": "measures for minutes; test_steps.py measures one step",
    "results_table.py --minutes": "trains for half an hour; test_systems.py has its parts",
    "uncertainty.py": "needs trained runs; test_uncertainty.py runs it",
    "pretraining_tables.py": "needs trained runs; test_three_tables.py runs it",
    "vfm4us_classify.py model": "needs images in class folders; test_configs.py takes a step",
    "prepare_dataset.py class_folders": "needs images; the tests of data prepare some",
    "explain_labels.py": "needs a trained classifier; test_classification.py runs it",
    "visualize_features.py --run": "needs the run of that config",
    "model.backbone.weights=weights/USFM": "needs USFM's weights",
    "batch.py --input s3": "needs a bucket; tests/batch use S3 of moto",
    "batch.py --input list": "needs a list of clips; tests/batch read some",
    "dicom_listen.py": "listens until it is stopped; tests/pacs send clips to it",
    "export_model.py": "needs ONNX; its own tests run it",
    "submit_slurm.py": "needs a SLURM cluster; test_slurm.py prints the script for one",
    "--fine-tune": "trains twelve networks; test_prepared.py prepares such rows",
    "--weights ckpt.pth.tar": "needs the published checkpoint of LGRNet",
}
ELSEWHERE = {
    "make demo": "installs, and trains for minutes",
    "make pretrained": "simulates for minutes, and trains for half an hour",
    "make test": "runs these tests",
    "make install": "installs",
    "make lint": "changes files",
    "make docs": "test_the_documentation_builds does the same without installing",
    "pip wheel": "needs a network",
    "pip install": "installs",
    "--import my_dataset": "test_examples.py runs it",
    "--import my_planes": "test_examples.py runs it",
    "my_config.py": "test_examples.py runs it",
    "--trust my_dataset": "test_examples.py runs it",
    "cross_validate.py": "trains five models; its own tests run it",
    "evaluate_ensemble.py": "needs the runs of two systems; tests of the engine run it",
    "--ensemble output/mine_folds": "needs the runs of the folds; tests of the predictor run it",
    "prepare_dataset.py phantom_apical": "simulates for minutes; the tests of data prepare three",
    "prepare_dataset.py NAME": "stands for the other prepare commands",
}


def which(*lists):
    """The commands that contain a part of one of these lists."""
    parts = [part for parts in lists for part in parts]
    return [command for command in COMMANDS if any(part in command for part in parts)]


APART = which(PARSED, ELSEWHERE, OWN_CLIPS, BOXES, PRETRAINING) + FIRST
