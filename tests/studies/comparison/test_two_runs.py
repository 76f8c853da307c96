"""two_runs.py and tools/compare_runs.py: hand-made results of two runs."""

import copy
import json
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.studies.comparison.two_runs import compare_runs

TOOL = Path(__file__).parents[3] / "tools" / "compare_runs.py"


def case(patient, predicted, true):
    return {
        "video_id": f"{patient}_4CH",
        "patient": patient,
        "prediction": {"ejection_fraction": predicted},
        "truth": {"ejection_fraction": true},
    }


def results(gain: float) -> dict:
    """Six patients of Dice 0.80, 0.81, ... plus a gain; the heart of the last is not measured."""
    names = [f"p{number}" for number in range(6)]
    return {
        "classes": {"left_ventricle": {}, "left_atrium": {}},
        "num_frames": 12,
        "patients": {
            name: {
                "left_ventricle": 0.80 + number / 100 + gain,
                "left_atrium": 0.7 if number else None,  # not labelled in the first patient
            }
            for number, name in enumerate(names)
        },
        "videos": {f"{name}_4CH": {} for name in names},
        "heart": {
            "cases": [
                case(name, None if name == "p5" else 60 - 100 * gain - number, 50)
                for number, name in enumerate(names)
            ]
        },
    }


def write(run: Path, found: dict, dataset="val") -> Path:
    (run / "eval" / dataset).mkdir(parents=True, exist_ok=True)
    (run / "eval" / dataset / "results.json").write_text(json.dumps(found))
    return run


@pytest.fixture
def runs(tmp_path):
    return write(tmp_path / "a", results(0.05)), write(tmp_path / "b", results(0.0))


def test_rows_by_hand(runs):
    ventricle, atrium, mean, error = compare_runs(*runs)["val"]
    assert ventricle.quantity == "Dice left_ventricle" and ventricle.patients == 6
    assert (ventricle.one, ventricle.other) == pytest.approx((0.875, 0.825))
    assert ventricle.difference == pytest.approx(0.05)
    assert ventricle.interval == pytest.approx([0.05, 0.05])
    assert ventricle.p == pytest.approx(2 / 2**6)  # six differences of one sign
    # Four rows: the least p counts four times, and no other may fall below it.
    assert ventricle.p_holm == pytest.approx(4 * 2 / 2**6) and ventricle.better == ""
    assert atrium.patients == 5 and atrium.difference == 0 and atrium.p == 1
    # Half of the ventricle's gain, in the first patient all of it.
    assert mean.difference == pytest.approx((5 * 0.025 + 0.05) / 6)
    # Errors of 5 - n against 10 - n per cent points for n = 0 to 4.
    assert error.quantity == "EF error (%)" and error.patients == 5
    assert (error.one, error.other) == pytest.approx((3, 8))
    assert not error.higher_is_better and error.difference == pytest.approx(-5)


def test_who_is_better(tmp_path):
    many = {f"p{number}": {"left_ventricle": number / 100} for number in range(20)}
    found = {"classes": {"left_ventricle": {}}, "num_frames": 20, "patients": many, "videos": {}}
    worse = copy.deepcopy(found)
    for scores in worse["patients"].values():
        scores["left_ventricle"] -= 0.001
    one, other = write(tmp_path / "a", found), write(tmp_path / "b", worse)
    assert [row.better for row in compare_runs(one, other)["val"]] == ["first"]
    assert [row.better for row in compare_runs(other, one)["val"]] == ["second"]
    assert [row.better for row in compare_runs(one, one)["val"]] == [""]


def test_nobody_is_better_if_ranks_and_mean_disagree(tmp_path):
    # The first run is better in 19 patients by about 0.01, and worse in the last by 0.9.
    one = {f"p{number}": {"lv": 0.95 + number / 1e4} for number in range(19)}
    other = {name: {"lv": 0.94} for name in one}
    found, others = (
        {"classes": {"lv": {}}, "num_frames": 20, "patients": scores, "videos": {}}
        for scores in (one | {"last": {"lv": 0.0}}, other | {"last": {"lv": 0.9}})
    )
    runs = write(tmp_path / "a", found), write(tmp_path / "b", others)
    (row,) = compare_runs(*runs)["val"]
    assert row.p_holm < 0.01 and row.difference < 0 and row.better == ""


def changed(change):
    found = results(0.0)
    change(found)
    return found


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (changed(lambda r: r["patients"].pop("p3")), "different patients: only the first has p3"),
        (changed(lambda r: r["patients"].update(p9={})), "only the second has p9"),
        (
            changed(lambda r: r["classes"].pop("left_atrium")),
            "different classes: left_ventricle, l",
        ),
        (changed(lambda r: r.update(num_frames=11)), "6 videos with 12 annotated frames"),
        (
            changed(lambda r: r["heart"]["cases"][2]["truth"].update(ejection_fraction=40)),
            "true ejection fraction of p2_4CH is 50.00 in the first run and 40.00",
        ),
    ],
)
def test_runs_on_other_data_are_refused(runs, other, what):
    write(runs[1], other)
    with pytest.raises(ValueError, match=what):
        compare_runs(*runs)


def test_runs_that_share_no_dataset_are_refused_by_name(runs, tmp_path):
    elsewhere = write(tmp_path / "c", results(0.0), dataset="test")
    with pytest.raises(ValueError, match=r"not both evaluated: .*a on val; .*c on test"):
        compare_runs(runs[0], elsewhere)
    with pytest.raises(ValueError, match="not both evaluated on tset"):
        compare_runs(*runs, "tset")
    with pytest.raises(FileNotFoundError, match="holds no eval/<dataset>/results.json"):
        compare_runs(runs[0], tmp_path / "nothing")


def test_the_command_shows_every_number(runs, tmp_path):
    file = tmp_path / "out" / "pair.json"
    done = run_script(TOOL, [*runs, "--output", file])
    assert done.returncode == 0, done.stderr
    for shown in ("Dice left_ventricle", "+0.0500", "+0.0500 to +0.0500", "0.0312", "0.125"):
        assert shown in done.stdout
    rows = json.loads(file.read_text())["datasets"]["val"]
    assert rows[0]["difference"] == pytest.approx(0.05) and rows[0]["better"] == ""
    refused = run_script(TOOL, [runs[0], tmp_path / "nothing"])
    assert refused.returncode == 1 and refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
