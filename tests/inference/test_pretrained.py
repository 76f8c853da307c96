"""The models that come with the package, and tools/export_weights.py, which makes them."""

from pathlib import Path

import pytest
import torch
from bright_disc import CONFIG, OVERRIDES, dice, disc_clip, learnt_weights
from forked import run_script
from safetensors.torch import load_file

import lgrseg
from lgrseg.config import load_config, save_config
from lgrseg.data.datasets.phantom_apical import FIRST
from lgrseg.data.phantom.apical_patients import apical_scan
from lgrseg.inference import pretrained

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that finds a disc."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    (folder / "checkpoints").mkdir(parents=True)
    learnt_weights(folder / "checkpoints" / "last.safetensors")
    save_config(load_config(CONFIG, OVERRIDES), folder / "config.yaml")
    return folder


@pytest.fixture(scope="module")
def copy(run, tmp_path_factory):
    """What tools/export_weights.py makes of it."""
    folder = tmp_path_factory.mktemp("pretrained") / "disc"
    words = ("--run", run, "--output", folder)
    done = run_script(ROOT / "tools" / "export_weights.py", words)
    assert done.returncode == 0 and "last.safetensors: 0.0 MB" in done.stdout, done.stderr
    return folder


def test_a_copy_has_half_the_size_and_draws_the_same(run, copy):
    small, whole = (load_file(f / "checkpoints" / "last.safetensors") for f in (copy, run))
    assert small.keys() == whole.keys()
    assert {t.dtype for t in small.values() if t.is_floating_point()} == {torch.bfloat16}
    frames, discs = disc_clip(3)
    result = lgrseg.Predictor.from_run(copy)(frames)
    assert dice(result.masks, discs) > 0.9
    assert str(run.parent) not in (copy / "config.yaml").read_text()


def test_a_run_that_is_not_there_is_one_sentence(tmp_path):
    words = ("--run", tmp_path / "none", "--output", tmp_path / "copy")
    done = run_script(ROOT / "tools" / "export_weights.py", words)
    assert done.returncode == 1 and "is no run" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "copy").exists()


def test_results_say_what_the_model_has_seen(copy, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", copy.parent)
    monkeypatch.setitem(pretrained.NOTES, "disc", "has seen discs only")
    for predictor in (
        lgrseg.Predictor.from_pretrained("disc", device="cpu"),
        lgrseg.Predictor.from_run(copy, device="cpu"),  # by its folder
    ):
        assert "has seen discs only" in predictor(disc_clip(2)[0]).notes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "--weights", "b.pth"], "--weights needs --run"),
        ([], "name one clip"),
        (["a.mp4", "b.mp4"], "name one clip"),
    ],
)
def test_what_predict_lacks_is_named(words, message):
    done = run_script(ROOT / "tools" / "predict.py", words)
    assert done.returncode == 2 and message in done.stderr


def test_a_model_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="called 'apical'; there are: apical_simulated"):
        lgrseg.Predictor.from_pretrained("apical")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="install lgrseg again"):
        lgrseg.Predictor.from_pretrained()


def test_the_model_of_the_package_draws_hearts_that_it_has_not_seen():
    """Simulated patients of the validation part."""
    predictor = lgrseg.Predictor.from_pretrained(device="cpu")
    assert predictor.metadata.classes == ("left_ventricle", "myocardium", "left_atrium")
    scores = []
    for number in range(FIRST["val"], FIRST["val"] + 4):
        scan = apical_scan(0, number)
        result = predictor(scan.frames([0, scan.heart.end_systole]), spacing_mm=scan.mm_per_pixel)
        assert pretrained.NOTES[pretrained.DEFAULT] in result.notes
        scores += [
            dice(mask, scan.labels(moment) == 1)
            for mask, moment in zip(result.masks, (0, scan.heart.end_systole), strict=True)
        ]
    assert sum(scores) / len(scores) > 0.8, scores


def test_weights_by_name_are_those_of_the_package_unless_there_is_such_a_file(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    file = pretrained.weight_file("apical_simulated")
    assert file.is_file() and file.is_relative_to(Path(lgrseg.__file__).parent)
    assert pretrained.weight_file("weights/own.pth") == Path("weights/own.pth")
    Path("apical_simulated").mkdir()
    assert pretrained.weight_file("apical_simulated") == file
    Path("apical_simulated").rmdir()
    Path("apical_simulated").touch()
    assert pretrained.weight_file("apical_simulated") == Path("apical_simulated")
