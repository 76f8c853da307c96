"""The other command lines: predict, analyze_model, results_table, plot_curves, prepare_dataset."""

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from forked import run_script
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]
PHANTOM = ROOT / "configs" / "lgrnet" / "demo.py"


def run(tool, *arguments, cwd=None):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    return run_script(ROOT / "tools" / f"{tool}.py", arguments, cwd=cwd, environment=environment)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "last.safetensors"
    save_file(instantiate(load_config(PHANTOM).model).state_dict(), file)
    return file


def predict(weights, source, out):
    return run(
        "predict",
        "--config-file",
        PHANTOM,
        "--weights",
        weights,
        "--input",
        source,
        "--output",
        out,
    )


def test_predict_a_folder_of_clips(weights, tmp_path):
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 3
    frames = scan.frames()
    affine = np.diag([0.7, 0.8, 1, 1])
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), affine), clips / "a.nii.gz")
    write_mp4(clips / "a.mp4", np.repeat(frames[..., None], 3, axis=-1), fps=10)
    (clips / "broken.dcm").write_bytes(b"no")
    (clips / "notes.txt").write_text("not a clip")
    result = predict(weights, clips, out)
    assert result.returncode == 1, result.stderr  # one failed
    assert "2 of 3 clips segmented" in result.stdout
    assert "not segmented: " in result.stderr and "broken.dcm" in result.stderr
    assert "notes.txt: no known kind of clip" in result.stderr
    # Two clips of one stem do not overwrite each other.
    stems = ("a.nii.gz", "a.mp4")
    kinds = ("masks.nii.gz", "overlay.mp4", "measurements.json", "preview.png")
    names = {f"{stem}_{kind}" for stem in stems for kind in kinds}
    assert {file.name for file in out.iterdir()} == names | {"measurements.csv"}
    masks = nibabel.load(out / "a.nii.gz_masks.nii.gz")
    assert masks.shape == (320, 240, 3) and np.allclose(masks.affine, affine)
    # Done again, nothing is done: both are kept, and it says so.
    again = predict(weights, clips, out)
    assert "2 existed already" in again.stdout and "frame/s" not in again.stderr


def test_predict_says_what_is_wrong(weights, tmp_path):
    (tmp_path / "broken.dcm").write_bytes(b"no")
    result = predict(weights, tmp_path / "broken.dcm", tmp_path / "out")
    assert result.returncode == 1 and "broken.dcm cannot be read" in result.stderr
    result = predict(weights, tmp_path / "nothing", tmp_path / "out")
    assert result.returncode == 1 and "nothing does not exist" in result.stderr
    result = predict(tmp_path / "w.safetensors", tmp_path / "broken.dcm", tmp_path / "out")
    assert result.returncode == 1 and "no checkpoint" in result.stderr


def test_analyze_model():
    result = run("analyze_model", "--config-file", PHANTOM, "--num-frames", 2, "--size", 64, 64)
    assert result.returncode == 0, result.stderr
    model = instantiate(load_config(PHANTOM).model)
    parameters = sum(p.numel() for p in model.backbone.parameters())
    assert "encoder" in result.stdout and f"{parameters / 1e6:.3f}" in result.stdout


def test_tables_and_curves(tmp_path):
    for name, dice in (("one", 0.9), ("two", 0.8)):
        run_folder = tmp_path / name
        (run_folder / "eval" / "d").mkdir(parents=True)
        results = {
            "dataset": "d",
            "classes": {"left_ventricle": {"dice": dice, "iou": None}},
            "mean": {"dice": dice, "iou": None, "hd95": 4.25, "missed": 7},
            "distance_unit": "mm",
            "heart": {"agreement": {"ejection_fraction": {"mae": 5.8}}} if dice > 0.85 else None,
            "dice_ci95": [dice - 0.1, None],
            "num_patients": 3,
            "patients": {name: {"left_ventricle": dice} for name in "abc"},
            "seconds_per_clip": 0.5,
        } | ({"frames_per_clip": 11.0} if name == "one" else {})
        (run_folder / "eval" / "d" / "results.json").write_text(json.dumps(results))
        lines = [
            {"iteration": 4, "train_seconds": 50, "peak_memory_mib": 812},
            {"iteration": 5, "train_seconds": 60, "eval/d/mean_dice": dice},
        ]
        (run_folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    files = [tmp_path / name / "eval" / "d" / "results.json" for name in ("one", "two")]
    save_config(load_config(PHANTOM), tmp_path / "one" / "config.yaml")
    (tmp_path / "one" / "log.txt").touch()
    output = tmp_path / "tables" / "results"
    shown = run("results_table", files[0], tmp_path / "two", "--output", output).stdout
    assert shown.strip() == output.with_suffix(".md").read_text()
    lines = (line.strip("| ").split("|") for line in shown.splitlines()[2:])
    head, _, one, two = ([cell.strip() for cell in cells] for cells in lines)
    one, two = dict(zip(head, one, strict=True)), dict(zip(head, two, strict=True))
    assert one["Dice [95% CI]"] == "0.9000 [0.8000, -]" and one["HD95 (mm)"] == "4.25"
    assert one["missed"] == "7" and head.index("missed") == head.index("HD95 (mm)") + 1
    assert (one["EF error (%)"], two["EF error (%)"], two["mIoU"]) == ("5.8", "-", "-")
    assert (one["frames a second"], two["frames a second"]) == ("22.0", "-")
    assert one["training memory (MiB)"] == "812"
    assert one["log"].endswith("one/log.txt") and one["checkpoint"] == two["log"] == "-"
    assert one["parameters (M)"] == two["parameters (M)"] == "-"  # "d" is not in the config
    assert output.with_suffix(".csv").read_text().splitlines()[0] == (
        "dataset,run,GFLOPs a clip,parameters (M),Dice left ventricle,Dice [95% CI],mIoU,HD95 (mm),"
        "missed,EF error (%),EF missing,patients,frames a second,training memory (MiB),"
        "log,checkpoint,video"
    )
    assert r"Dice [95\% CI]" in output.with_suffix(".tex").read_text()
    result = run("results_table", tmp_path, "--dataset", "d")
    assert result.returncode == 1 and "none of these runs was evaluated on d" in result.stderr
    result = run("results_table", "--minutes", "1", tmp_path)
    assert result.returncode == 1 and "give dataset=NAME" in result.stderr
    assert "train the systems" in run("results_table").stderr
    result = run("results_table", "--minutes", "1", "dataset=phantom_demo", "model.nothing.x=3")
    assert result.returncode == 1 and result.stderr.startswith("error: no config key 'model.noth")
    picture = tmp_path / "curves.png"
    with (tmp_path / "one" / "metrics.jsonl").open("a") as file:
        file.write('\n{"iteration": 9, "train_sec')  # the process was killed in mid-line
    runs = [tmp_path / "one", f"second={tmp_path / 'two'}"]
    assert run("plot_curves", *runs, "--dataset", "d", "--output", picture).returncode == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    result = run("plot_curves", *runs, "--dataset", "e", "--output", picture)
    assert result.returncode == 1 and "no run was evaluated on e" in result.stderr


def test_prepare_dataset(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "store" / "camus"
    raw_layouts.write_raw_camus(raw, num_patients=3)
    result = run("prepare_dataset", "camus", "--raw", raw, "--out", out)
    assert result.returncode == 0 and "12 videos prepared" in result.stdout, result.stderr
    again = run("prepare_dataset", "camus", "--raw", raw, "--out", out)
    assert "12 were up to date" in again.stdout
    empty = run("prepare_dataset", "cardiac_udc", "--raw", tmp_path / "none", "--out", out)
    assert empty.returncode == 1 and "kaggle" in empty.stderr and "Traceback" not in empty.stderr


def test_check_only_uses_the_lists_of_camus(tmp_path):
    raw = tmp_path / "raw"
    raw_layouts.write_raw_camus(raw, num_patients=3)
    with (raw / "database_split" / "subgroup_testing.txt").open("a") as file:
        file.write("patient0001\n")
    out = tmp_path / "out"
    result = run("prepare_dataset", "camus", "--raw", raw, "--out", out, "--check-only")
    assert result.returncode == 0, result.stderr
    found = json.loads((out / "check_report.json").read_text())
    assert found["videos"] == 12 and found["splits"] == {"test": 4, "train and test": 4, "val": 4}
    assert "patient patient0001 is in train and test" in found["leaks"]
    assert not list(out.glob("patient*"))  # nothing is prepared


MODULE = """
import numpy as np
from lgrseg.data.catalog import Metadata
from lgrseg.data.datasets import register_raw_dataset
from lgrseg.data.raw_video import LoadedVideo, RawVideo
from lgrseg.data.splits import register_splits

register_splits("mine", ["train"], Metadata(("dot",), ((9, 9, 9),)), how_to_get="")

def load(video):
    frames = np.load(video.sources[0])
    return LoadedVideo(frames=frames, masks={0: (frames[0] > 0).astype(np.uint8)})

class Mine:
    def find_videos(self, raw):
        files = sorted(raw.glob("*.npy"))
        return [RawVideo(f.stem, [f], f.stem, load, facts={"split": "train"}) for f in files], {}

register_raw_dataset("mine", Mine())
"""


def test_a_dataset_of_ones_own_module_is_prepared(tmp_path):
    (tmp_path / "my_data.py").write_text(MODULE)
    np.save(tmp_path / "a.npy", np.eye(40, dtype=np.uint8)[None])
    words = ("--raw", tmp_path, "--out", tmp_path / "out")
    mine = ("mine", "--import", "my_data", *words)
    result = run("prepare_dataset", *mine, cwd=tmp_path)
    assert result.returncode == 0 and "1 videos prepared" in result.stdout, result.stderr
    assert (tmp_path / "out" / "a" / "masks.npz").is_file()
    checked = run("prepare_dataset", *mine, "--check-only", cwd=tmp_path)
    assert checked.returncode == 0 and "dot: 1" in checked.stdout, checked.stderr
    unknown = run("prepare_dataset", "mien", "--import", "my_data", *words, cwd=tmp_path)
    assert unknown.returncode == 1 and "did you mean 'mine'?" in unknown.stderr
    nowhere = run("prepare_dataset", "mine", "--import", "my_dat", *words, cwd=tmp_path)
    assert nowhere.returncode == 1 and "no module 'my_dat' is installed or is in" in nowhere.stderr


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    raw_layouts.write_raw_camus(tmp_path / "raw", num_patients=1)
    (tmp_path / "file").touch()
    result = run(
        "prepare_dataset", "camus", "--raw", tmp_path / "raw", "--out", tmp_path / "file" / "out"
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "file/out" in result.stderr and "the same command continues" in result.stderr


def test_nothing_usable_is_one_sentence_that_names_the_file(tmp_path):
    split = tmp_path / "raw" / "train"
    split.mkdir(parents=True)
    (split / "_annotations.coco.json").write_text('{"images": [], "categories": []}')
    result = run(
        "prepare_dataset", "brain_tumor_coco", "--raw", tmp_path / "raw", "--out", tmp_path
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    told = "train/_annotations.coco.json: has no list 'annotations'"
    assert told in result.stderr.splitlines()[-1]


def test_only_encoders_are_probed(tmp_path):
    words = ("--train", "camus_4ch_train", "--test", "camus_4ch_val", "--output", tmp_path)
    result = run("probe_encoders", "--encoders", "config:some.py", *words)
    assert result.returncode == 1
    assert "some is a whole config; only encoders can be probed" in result.stderr
