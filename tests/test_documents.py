"""The documentation is true: its commands run as they are written, its links lead somewhere.

Commands stand in bash blocks of the README and of docs/. Short ones run in the default tests, long
ones with `-m slow`. A command that cannot run here is parsed by its tool, and its config is loaded.
Commands run in a folder that looks like the project, on simulated data. What is appended to a
command only makes it short.
"""

import argparse
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from forked import run_script

from lgrseg.config import load_config
from lgrseg.data.datasets import phantom
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.prepare import prepare
from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("d*/**/*.md"))]
}
"""README.md and so on, docs/, and datasets/README.md."""
BLOCKS = [
    (page, language, block)
    for page, text in PAGES.items()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]
A_COMMAND = re.compile(r"(\w+=\S+ )?(python|torchrun|pip|make|mkdocs) ")
COMMANDS = list(
    dict.fromkeys(  # each once, in the order of the pages
        line.partition(" # ")[0].strip()
        for _, language, block in BLOCKS
        if language == "bash"
        for line in block.splitlines()
    )
)

OWN_CLIPS = (
    "--out datasets/mine --classes",
    "train_net.py --config-file configs/lgrnet/base.py dataset=mine",
    "output/lgrnet_mine --i",
    "mine_test",
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
]
BOXES = ("box_sam2", "demo.py method=boxes")
"""Commands with one of these in them build on each other, and run in one slow test."""
PRETRAINING = (
    "configs/pretraining/",
    "pretraining_data.py",
    "export_encoder.py",
    "weights/camus.pth",
    "probe_encoders",
)
"""These, too: an encoder is pretrained, saved, and loaded."""
PARSED = {
    "benchmark.py all": "measures for a quarter of an hour",
    "benchmark.py boxes": "measures for minutes",
    "benchmark.py tokens": "measures for minutes",
    "ar_seg/next_scale.py": "needs the run of the tokenizer; test_configs.py takes a step",
    "benchmark.py images": "measures for a minute",
    "benchmark.py backbones": "measures for a quarter of an hour",
    "dinov2_small=weights": "needs published weights, and images of brain tumours",
    "configs/generation/": "needs 1500 simulated patients; tests of the engine train another",
    "translate_dataset.py": "needs the run of a CycleGAN; tests of the engine run it",
    "enhance_images.py": "needs the run of an enhancer; tests of the engine run it",
    "dataset=phantom_apical": "needs 1500 simulated patients; the tests of data prepare three",
    "training_videos=False": "needs 1500 simulated patients, and CAMUS",
    "lgrseg/pretrained": "needs CAMUS, and the weights where they are installed",
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
SHORT = [
    "train.eval_period=0",
    "train.log_period=1",
    "dataloader.train.mapper.input_size=[64,64]",
    "dataloader.test.camus_4ch_val.mapper.input_size=[64,64]",
]


def which(*lists):
    """The commands that contain a part of one of these lists."""
    parts = [part for parts in lists for part in parts]
    return [command for command in COMMANDS if any(part in command for part in parts)]


APART = which(PARSED, ELSEWHERE, OWN_CLIPS, BOXES, PRETRAINING) + FIRST


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like the project's, with a raw CAMUS, a clip, and a run that counts as the demo."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    raw = folder / "path" / "to"
    raw_layouts.write_raw_camus(raw / "CAMUS", num_patients=3)
    frames = np.repeat(np.arange(3, dtype=np.uint8)[:, None, None, None] * 50, 64, axis=1)
    write_mp4(raw / "clips" / "a.mp4", np.tile(frames, (1, 1, 64, 3)), fps=5)
    shutil.copy(raw / "clips" / "a.mp4", folder / "clip.mp4")
    for command in FIRST:
        result = run(folder, shortened(command))
        assert result.returncode == 0, result.stderr
    for name in ("demo", "first", "second"):
        shutil.copytree(folder / "output" / "lgrnet", folder / "output" / name)
    return folder


def run(folder, command):
    """The command's status and output; tools run in a fork of this process."""
    program, *words = shlex.split(command)
    environment = {k: v for k, v in os.environ.items() if k != "LGRSEG_DATASETS"}
    environment["OMP_NUM_THREADS"] = "1"
    if program == "python":
        return run_script(folder / words[0], words[1:], cwd=folder, environment=environment)
    assert program == "torchrun"
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def shortened(command):
    """The command with fewer steps, seeds and smaller images."""
    if "train_net.py" in command and "--eval-only" not in command:
        iterations = 2 if "--resume" in command else 1
        command = f"{command} train.max_iter={iterations} {' '.join(SHORT)}"
        if "configs/lgrnet/" in command:
            model = "model.student" if "lgsd" in command else "model"
            command += f" {model}.encoder.num_layers=1"
    if "ablation.py" in command:  # one variant, one seed
        command = command.replace("configs/lgrnet/base.py ", "")
        command = command.replace("--seeds 0 1 2", "--seeds 0")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "compare_backbones.py" in command:  # one backbone, which stands for the others
        command = command.replace(" dinov3_convnext_tiny", "")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "lgsd" in command:
        command += " dataloader.train.unlabelled.mapper.global_size=[64,64]"
        command += " dataloader.train.unlabelled.mapper.local_size=[32,32]"
    # The demo's datasets are the phantom's; here the demo is a run on the simulated CAMUS.
    return command.replace("phantom_demo_val", "camus_4ch_val").replace("--workers 4", "")


def _parameter(command):
    slow = any(part in command for part in TAKE_LONG)
    return pytest.param(command, marks=pytest.mark.slow if slow else (), id=command[:100])


@pytest.mark.parametrize("command", map(_parameter, [c for c in COMMANDS if c not in APART]))
def test_command(place, command):
    result = run(place, shortened(command))
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def phantom_place(tmp_path_factory):
    """A folder like the project's, with a prepared phantom of three videos and a clip."""
    folder = tmp_path_factory.mktemp("phantom")
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 3
    for site in ("Site_P_1", "Site_P_3", "Site_P_4"):
        raw_layouts.write_scan(folder / "raw", f"{site}/patient1-4", scan, annotated=[1])
    videos, problems = phantom.PhantomSource("demo").find_videos(folder / "raw")
    assert prepare(videos, problems, folder / "datasets" / "phantom_demo").num_usable == 3
    image = folder / "raw" / "cardiacUDC_dataset" / "Site_P_1" / "patient1-4_image.nii.gz"
    image.rename(folder / "CLIP.nii.gz")
    box = {"frame": 0, "box": [120, 40, 310, 290], "class": "left_ventricle"}
    (folder / "boxes.json").write_text(json.dumps([box]))
    return folder


@pytest.mark.slow
def test_boxes(phantom_place):
    """BOX-SAM2 is trained and predicts: each command builds on what those before have written."""
    short = "train.max_iter=1 train.eval_period=0 train.export_videos=0"
    commands = which(BOXES)
    for command in commands:
        command = command.replace("--input CLIP", "--input CLIP.nii.gz")
        result = run(phantom_place, f"{command} {short if 'train_net' in command else ''}")
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(commands) == 7


@pytest.mark.slow
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
    assert len(commands) == 20


@pytest.mark.slow
def test_own_clips(tmp_path):
    """The README's three commands, on clips of a bright square with NIfTI masks."""
    for name in ("tools", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
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
    short = "train.max_iter=1 train.eval_period=0 train.export_videos=0 model.encoder.num_layers=1"
    for command in which(OWN_CLIPS):
        result = run(tmp_path, f"{command} {short if 'train_net' in command else ''}")
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(list((tmp_path / "out").glob("*_masks.nii.gz"))) == 8


class Parsed(Exception):
    """Raised in a tool as soon as its words are parsed."""


@pytest.mark.parametrize("command", which(PARSED))
def test_command_is_parsed(command, monkeypatch):
    words = shlex.split(command)
    words = words[words.index("python") + 1 :]
    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, _stopping(name))
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    with pytest.raises(Parsed) as caught:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    (parsed,) = caught.value.args
    if hasattr(parsed, "config_file"):
        overrides = getattr(parsed, "overrides", ())
        load_config(ROOT / parsed.config_file, overrides)  # each key is known


def _stopping(name):
    parse = getattr(argparse.ArgumentParser, name)

    def stop(*arguments, **settings):
        raise Parsed(parse(*arguments, **settings))

    return stop


def test_python_of_the_readme(place):
    blocks = [block for page, lang, block in BLOCKS if (page, lang) == ("README.md", "python")]
    assert blocks
    for number, block in enumerate(blocks):
        script = place / f"readme_{number}.py"
        script.write_text(block)
        result = run(place, f"python {script.name}")
        assert result.returncode == 0, result.stderr


def test_no_command_is_left_out():
    """Whatever looks like a command is in a bash block, where the tests above find it."""
    for page, language, block in BLOCKS:
        for line in block.splitlines():
            if language == "bash":
                assert A_COMMAND.match(line), f"{page}: not a command: {line}"
            else:
                in_docstring = language == "python"
                assert in_docstring or not A_COMMAND.match(line), f"{page}: not in bash: {line}"
    texts = [*COMMANDS, *(block for _, _, block in BLOCKS)]
    for part in [*OWN_CLIPS, *FIRST, *TAKE_LONG, *PARSED, *ELSEWHERE]:
        assert any(part in text for text in texts), f"{part!r} is in no page any more"


def test_all_tools_are_named():
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert {name for name in tools if any(name in command for command in COMMANDS)} == tools


def test_the_readme_is_one_page():
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_the_file_layout_names_every_file():
    tree = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["file_tree"]()
    sections = dict(re.findall(r"^### (\S+)/\n(.*?)(?=^### |\Z)", tree, re.DOTALL | re.MULTILINE))
    for top in ("lgrseg", "tools", "configs"):
        for path in (ROOT / top).rglob("*.py"):
            folder = path.parent.relative_to(ROOT).as_posix()
            if path.name != "__init__.py":
                row = re.search(
                    rf"^\| `{re.escape(path.name)}` \| (.+) \|$", sections[folder], re.M
                )
                assert row, f"{path.relative_to(ROOT)} is missing, or has no docstring"


@pytest.mark.slow
def test_the_documentation_builds(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site" / "reference" / "lgrseg.engine" / "index.html").read_text()
    assert "DefaultTrainer" in page
    assert (tmp_path / "site" / "assets" / "phantom.png").is_file()
