"""lgrseg/reporting/run_names.py, and the tools that name runs by it."""

import json
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.reporting.run_names import distinct_names, folder_of, named_folder

TOOLS = Path(__file__).parents[2] / "tools"


def write_run(folder, dice=0.9):
    results = {
        "dataset": "d", "classes": {"wall": {"dice": dice}}, "distance_unit": "mm",
        "mean": {"dice": dice, "iou": None, "hd95": 4.0, "missed": 99}, "dice_ci95": None,
        "num_patients": 3,
        "patients": {"a": {"wall": dice}, "b": {"wall": dice}, "c": {"wall": None}},
    }  # fmt: skip
    (folder / "eval" / "d").mkdir(parents=True)
    (folder / "eval" / "d" / "results.json").write_text(json.dumps(results))
    line = {"iteration": 5, "train_seconds": 60, "eval/d/mean_dice": dice}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def test_a_run_is_named_by_its_results(tmp_path, monkeypatch):
    run = write_run(tmp_path / "run")
    monkeypatch.chdir(run / "eval" / "d")
    for text in (run, run / "eval" / "d" / "results.json", "results.json"):
        assert folder_of(Path(text)).resolve() == run
    with pytest.raises(ValueError, match=r"no folder nothing; name the folder of a run"):
        folder_of(Path("nothing"))
    (tmp_path / "results.json").touch()
    with pytest.raises(ValueError, match="is no RUN/eval/DATASET/results.json"):
        folder_of(tmp_path / "results.json")


def test_an_equals_sign_may_be_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lr=0.1").mkdir()
    assert named_folder("lr=0.1") == ("", Path("lr=0.1"))
    assert named_folder("slow=lr=0.1") == ("slow", Path("lr=0.1"))
    assert named_folder("lr=1=lr=0.1") == ("lr=1", Path("lr=0.1"))
    with pytest.raises(ValueError, match="no folder slow=lr=2"):
        named_folder("slow=lr=2")


def test_names_are_as_long_as_they_must_be():
    folders = [Path("/a/x/seed_0"), Path("/a/y/seed_0"), Path("/a/y/seed_1")]
    assert distinct_names(folders[1:]) == ["seed_0", "seed_1"]
    assert distinct_names(folders) == ["x/seed_0", "y/seed_0", "y/seed_1"]
    assert distinct_names([Path("/a"), Path("/a")]) == ["a", "a"] and distinct_names([]) == []


def test_tools_tell_runs_of_one_name_apart(tmp_path):
    runs = [write_run(tmp_path / name / "seed=0") for name in ("x", "y")]
    shown = run_script(
        TOOLS / "results_table.py", ["results.json", runs[1]], cwd=runs[0] / "eval" / "d"
    )
    assert shown.returncode == 0, shown.stderr
    cells = " ".join(shown.stdout.split())  # pandas fills cells up with blanks
    assert "| x/seed=0 |" in cells and "| y/seed=0 |" in cells
    assert "0.9000 [not given: 2 patients]" in cells and "| 4.00 | 99 |" in cells
    picture = tmp_path / "curves.png"
    ask = ["--dataset", "d", "--output", picture]
    drawn = run_script(TOOLS / "plot_curves.py", [*runs, *ask, "--seconds-per-step", 1, 2])
    assert drawn.returncode == 0 and picture.is_file(), drawn.stderr
    for wrong, words in (
        ([f"a={runs[0]}", f"a={runs[1]}"], "error: runs must have different names: a, a"),
        ([tmp_path / "none"], "error: no folder"),
        ([*runs, "--seconds-per-step", 1], "error: --seconds-per-step needs 2 numbers, not 1"),
    ):
        ended = run_script(TOOLS / "plot_curves.py", [*wrong, *ask])
        assert ended.returncode == 1 and ended.stderr.startswith(words), ended.stderr
    (tmp_path / "new").mkdir()
    drawn = run_script(TOOLS / "plot_curves.py", [runs[0], tmp_path / "new", *ask])
    assert drawn.returncode == 0 and "new was not evaluated on d" in drawn.stderr
