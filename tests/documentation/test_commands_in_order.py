"""Commands of the documentation that build on each other: a run, what is made of it, and so on."""

import nibabel
import numpy as np
import pytest
from documentation.groups import BOXES, OWN_CLIPS, PRETRAINING, which
from documentation.project_folder import link_project, run, shortened

from lgrseg.visualization.overlays import write_mp4

pytestmark = pytest.mark.slow


def test_boxes(phantom_place):
    """BOX-SAM2 is trained and predicts: each command builds on what those before have written."""
    short = "train.max_iter=1 train.eval_period=0 train.export_videos=0"
    commands = which(BOXES)
    for command in commands:
        command = command.replace("--input CLIP", "--input CLIP.nii.gz")
        result = run(phantom_place, f"{command} {short if 'train_net' in command else ''}")
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(commands) == 7


def test_pretraining(place):
    """Encoders are pretrained on frames of 64 px, saved, probed, and trained further."""
    frames = (
        "dataloader.train.unlabelled.mapper.size=[64,64] dataloader.train.unlabelled.batch_size=2 "
        "probe.size=[64,64]"
    )
    commands = which(PRETRAINING)
    for command in commands:
        if "configs/pretraining/" in command:
            settings = frames
            if "method=image_tree" in command:  # without probe
                settings = frames.rpartition(" ")[0].replace("train.unlabelled.", "train.")
                settings += f" train.output_dir=output/of_{commands.index(command)}"
            elif "train.max_iter" in command and "output_dir" not in command:  # of results.md
                settings += f" train.output_dir=output/of_{commands.index(command)}"
            command = f"{command} train.max_iter=1 {settings}"
            if "mae.py" in command:
                command += " model.backbone.image_size=64"
            if "dino.py" in command:
                views = "mapper.global_size=[64,64] dataloader.train.unlabelled.mapper.local_size="
                command = command.replace("mapper.size=[64,64]", f"{views}[32,32]")
        else:
            command = shortened(command).replace("--size 128", "--size 64")
        result = run(place, command)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(commands) == 24


def test_own_clips(tmp_path):
    """The README's three commands and others, on clips of a bright square with NIfTI masks."""
    link_project(tmp_path)
    (tmp_path / "classes.yaml").write_text("[left_ventricle]")
    frames = np.zeros((5, 64, 64), np.uint8)
    frames[:, 16:48, 16:48] = 200
    for folder in ("my_clips", "new_clips"):
        (tmp_path / folder).mkdir()
        for patient in range(8):
            path = tmp_path / folder / f"patient{patient}"
            write_mp4(path.with_suffix(".mp4"), np.repeat(frames[..., None], 3, axis=-1), fps=5)
            if folder == "my_clips":
                mask = nibabel.Nifti1Image(frames.transpose(2, 1, 0) // 200, np.eye(4))
                nibabel.save(mask, f"{path}_gt.nii.gz")
    short = "train.max_iter=1 train.eval_period=0 train.export_videos=0"
    for command in which(OWN_CLIPS):
        command += f" {short}" if "train_net" in command else ""
        command += " model.encoder.num_layers=1" if "configs/lgrnet" in command else ""
        result = run(tmp_path, command)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(list((tmp_path / "out").glob("*_masks.nii.gz"))) == 8
