"""Clips of one's own, from a folder to a trained model: the commands, without a line of code."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from annotated import SIZE, rectangle
from forked import Script, run_script
from omegaconf import OmegaConf

from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.store import read_masks

ROOT = Path(__file__).parents[1]
CLASSES = "lv_cavity: {value: 1, role: left_ventricle}\nla: {value: 3, role: left_atrium}\n"
SMALL = [
    "train.device=cpu",
    "dataloader.train.num_workers=0",
    "dataloader.train.mapper.input_size=[64, 64]",
    "dataloader.train.mapper.frame_sampler.num_frames=1",
    "train.max_iter=1",
    "train.export_videos=0",
    "dataloader.test.val.num_workers=0",
    "dataloader.test.val.mapper.input_size=[64, 64]",
    "dataloader.test.val.mapper.frame_sampler.num_frames=1",
]


def heart(rows):
    """A ventricle of 20 columns that ends at row 25, and an atrium of value 3 below it."""
    return rectangle(25 - rows, 20, 25, 40) + 3 * rectangle(25, 22, 35, 38).astype(np.uint8)


def write_patient(folder, *, labelled=True):
    """Four frames; end-diastole is frame 1 with 20 rows, end-systole frame 3 with 15."""
    folder.mkdir(parents=True)
    masks = np.zeros((4, *SIZE), np.uint8)
    masks[1], masks[3] = heart(20), heart(15)
    frames = np.random.default_rng(0).integers(0, 99, masks.shape).astype(np.uint8) + 50 * masks
    affine = np.diag([0.5, 0.5, 1, 1])
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), affine), folder / "clip.nii.gz")
    if labelled:
        image = nibabel.Nifti1Image(masks.transpose(2, 1, 0), affine)
        nibabel.save(image, folder / "clip_gt.nii.gz")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with my_clips of five patients, one without masks, and classes.yaml."""
    for number in range(5):
        write_patient(tmp_path / "my_clips" / f"patient{number}", labelled=number < 4)
    (tmp_path / "my_clips" / "notes.txt").write_text("hello")
    (tmp_path / "classes.yaml").write_text(CLASSES)
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "datasets"))
    return tmp_path


def run(project, tool, *words, **variables):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": "datasets"} | variables
    return run_script(ROOT / "tools" / tool, words, cwd=project, environment=environment)


def prepare(project, *words):
    return run(
        project, "prepare_dataset.py", "folder", "--raw", "my_clips", "--out", "datasets/mine",
        "--classes", "classes.yaml", *words,
    )  # fmt: skip


def test_from_a_folder_to_a_trained_model(project):
    done = prepare(project)
    assert done.returncode == 0, done.stderr
    assert "4 clips with masks, 1 without, which are kept as unlabelled" in done.stdout
    report = json.loads((project / "datasets/mine/prepare_report.json").read_text())
    assert "no known kind of clip" in report["unusable"]["notes.txt"]

    train = DatasetCatalog.get("mine_train")
    assert [len(DatasetCatalog.get(f"mine_{part}")) for part in ("val", "test")] == [1, 1]
    assert [r.video_id for r in DatasetCatalog.get("mine_unlabelled")] == ["patient4/clip"]
    assert (train[0].ed_frame, train[0].es_frame) == (1, 3)
    np.testing.assert_array_equal(read_masks(train[0])[1], np.where(heart(20) == 3, 2, heart(20)))

    config = ROOT / "configs/lgrnet/base.py"
    trained = run(project, "train_net.py", "--config-file", config, "dataset=mine", *SMALL)
    assert trained.returncode == 0, trained.stderr
    saved = OmegaConf.load(project / "output/lgrnet_mine/config.yaml")
    assert saved.datasets.mine_train.roles == {
        "left_ventricle": "lv_cavity",
        "left_atrium": "la",
    }
    results = json.loads((project / "output/lgrnet_mine/eval/mine_val/results.json").read_text())
    truth = results["heart"]["cases"][0]["truth"]
    assert list(results["classes"]) == ["lv_cavity", "la"]
    assert truth["area_change"] == pytest.approx(25)  # 20 rows to 15

    own = ("--config-file", "output/lgrnet_mine/config.yaml")
    unknown = run(project, "train_net.py", *own, "--eval-only", "--datasets", "mine_tset")
    assert "its parts are test, train, val" in unknown.stderr and "Traceback" not in unknown.stderr

    shutil.rmtree(project / "datasets")  # the run knows its classes itself
    weights = "output/lgrnet_mine/checkpoints/last.safetensors"
    clip = "my_clips/patient0/clip.nii.gz"
    words = ("--weights", weights, "--input", clip, "--output", "predicted")
    predicted = run(project, "predict.py", *own, *words)
    assert predicted.returncode == 0, predicted.stderr
    assert (project / "predicted/clip_masks.nii.gz").is_file()


def test_the_table_can_be_edited_and_stays(project):
    assert prepare(project).returncode == 0
    table = project / "datasets/mine/splits.csv"
    lines = [
        line.rpartition(",")[0] + (",test" if "patient0" in line else ",train")
        for line in table.read_text().splitlines()[1:]
    ]
    table.write_text("\n".join(["clip,patient,split", *lines]) + "\n")
    assert [r.patient for r in DatasetCatalog.get("mine_test")] == ["patient0"]
    again = prepare(project)
    assert "splits.csv of an earlier preparation" in again.stdout, again.stderr
    assert "0 videos prepared, 5 were up to date" in again.stdout
    assert [r.patient for r in DatasetCatalog.get("mine_test")] == ["patient0"]
    with pytest.raises(ValueError, match="mine has no annotated clip in its part 'val'"):
        DatasetCatalog.get("mine_val")
    table.write_text(table.read_text().replace("patient1,train", "patient0,train"))
    with pytest.raises(ValueError, match="patient patient0 is in split test and train"):
        DatasetCatalog.get("mine_test")


def test_refused_clips_take_no_place_in_a_split(project):
    clips = project / "my_clips"
    assert prepare(project).returncode == 0
    drawn = {r.patient for part in ("val", "test") for r in DatasetCatalog.get(f"mine_{part}")}
    shutil.rmtree(project / "datasets")
    first, second = sorted(drawn)
    (clips / first / "clip_masks").mkdir()  # a second annotation
    cv2.imwrite(str(clips / first / "clip_masks" / "0.png"), heart(20))
    broken = clips / second / "clip_gt.nii.gz"
    whole = broken.read_bytes()
    image = nibabel.Nifti1Image(np.full((*SIZE[::-1], 4), 99, np.uint8), np.eye(4))
    nibabel.save(image, broken)  # found only when it is read
    assert prepare(project).returncode == 0
    parts = {p: {r.patient for r in DatasetCatalog.get(f"mine_{p}")} for p in ("train", "val")}
    assert [len(patients) for patients in parts.values()] == [1, 1]
    assert not drawn & set().union(*parts.values())
    table = (project / "datasets/mine/splits.csv").read_text()
    assert f"{first}/clip,{first},\n" in table and f"{second}/clip,{second},\n" in table
    broken.write_bytes(whole)
    assert prepare(project).returncode == 0
    for part, patients in parts.items():  # who had a place keeps it
        assert patients <= {r.patient for r in DatasetCatalog.get(f"mine_{part}")}
    assert [r.patient for r in DatasetCatalog.get("mine_test")] == [second]


def test_equal_ventricles_are_no_beat(project):
    """Otherwise one frame would be both phases, and the true ejection fraction 0."""
    for number in range(4):
        file = project / "my_clips" / f"patient{number}" / "clip_gt.nii.gz"
        masks = np.zeros((4, *SIZE), np.uint8)
        masks[1] = masks[3] = heart(20)
        nibabel.save(nibabel.Nifti1Image(masks.transpose(2, 1, 0), np.eye(4)), file)
    assert prepare(project).returncode == 0
    assert DatasetCatalog.get("mine_train")[0].ed_frame is None


def test_splits_of_a_table_and_patients_of_a_pattern(project):
    (project / "splits.csv").write_text(
        "clip,split,ed_frame,es_frame\npatient0\\clip.nii.gz,val,3,1\npatient1/clip,external,,\n"
        "patient3/clip,train,9,\n"
    )
    done = prepare(project, "--splits", "splits.csv", "--patient-pattern", r"t(\d)")
    assert done.returncode == 0, done.stderr
    (record,) = DatasetCatalog.get("mine_val")
    assert (record.patient, record.ed_frame, record.es_frame) == ("0", 3, 1)
    assert [r.patient for r in DatasetCatalog.get("mine_external")] == ["1"]
    report = json.loads((project / "datasets/mine/prepare_report.json").read_text())
    assert "splits.csv does not list it" in report["unusable"]["patient2/clip"]
    assert "ed_frame 9, but the clip has the frames 0 to 3" in report["unusable"]["patient3/clip"]
    (project / "splits.csv").write_text(
        "clip,split\npatient1/clip,val\npatient1/clip.nii.gz,test\n"
    )
    twice = prepare(project, "--splits", "splits.csv")
    assert twice.returncode == 1 and "are both of patient1/clip: remove" in twice.stderr
    (project / "splits.csv").write_text("clip,split\npatient9/clip,val\n")
    wrong = prepare(project, "--splits", "splits.csv")
    assert wrong.returncode == 1 and "'patient9/clip' matches no clip in the folder" in wrong.stderr


def test_folds_leave_each_patient_out_once(project):
    assert prepare(project, "--folds", "2").returncode == 0
    parts = [
        {r.patient for r in DatasetCatalog.get(f"mine_fold{fold}_{part}")}
        for fold in (0, 1)
        for part in ("train", "val")
    ]
    assert parts[0] == parts[3] and parts[1] == parts[2] and not parts[0] & parts[1]


@pytest.mark.slow
def test_a_cross_validation(project):
    assert prepare(project, "--folds", "2").returncode == 0
    config = ROOT / "configs/lgrnet/base.py"
    words = ("--config-file", config, "dataset=mine", *SMALL)
    done = run(project, "cross_validate.py", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads((project / "output/mine_folds/cross_validation.json").read_text())
    assert set(found["patients"]) == {f"patient{k}" for k in range(4)}
    dice = [patient["la"] for patient in found["patients"].values()]
    assert found["classes"]["la"]["dice"] == pytest.approx(np.mean(dice))
    assert len(found["mean"]["folds"]) == 2 and found["ejection_fraction"]["num_patients"] <= 4
    own = ("--config-file", "output/mine_folds/fold0/config.yaml")
    tested = run(project, "train_net.py", *own, "--eval-only", "--datasets", "mine_fold1_val")
    assert tested.returncode == 0, tested.stderr
    evaluated = (project / "output/mine_folds/fold0/eval").iterdir()
    assert sorted(path.name for path in evaluated) == ["mine_fold0_val", "mine_fold1_val"]
    chosen = run(project, "cross_validate.py", *words, "--choose-postprocessing")
    assert chosen.returncode == 0 and "training" not in chosen.stderr
    choice = json.loads((project / "output/mine_folds/cross_validation.json").read_text())
    again = run(project, "cross_validate.py", *words)
    assert again.returncode == 0 and "keeps the post-processing" in again.stderr
    assert "| mean " in again.stdout and "Post-processing (" in again.stdout
    kept = json.loads((project / "output/mine_folds/cross_validation.json").read_text())
    assert kept["postprocessing"] == choice["postprocessing"]
    other = run(project, "cross_validate.py", *words, "optimizer.lr=0.5")
    assert other.returncode == 1
    assert "fold0 has a run with other settings (optimizer.lr: " in other.stderr
    # The folds of the preparation are one way; here the patients are divided by the command.
    drawn = run(project, "cross_validate.py", *words, "--folds", "2", "--output", "output/drawn")
    assert drawn.returncode == 0, drawn.stderr
    found = json.loads((project / "output/drawn/cross_validation.json").read_text())
    assert set(found["patients"]) == {f"patient{k}" for k in range(4)}


@pytest.mark.slow
def test_a_stopped_cross_validation_saves_its_run(project):
    assert prepare(project, "--folds", "2").returncode == 0
    config = ROOT / "configs/baselines/unet.py"
    mappers = [word for word in SMALL if "num_frames" not in word and "max_iter" not in word]
    words = ["--config-file", config, "dataset=mine", *mappers, "train.max_iter=1000000"]
    words.append("train.log_period=1")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": "datasets"}
    script = Script(ROOT / "tools/cross_validate.py", words, cwd=project, environment=environment)
    run_of_fold = project / "output/mine_folds/fold0"
    log = Path(f"{run_of_fold}.log")
    while script.is_running() and not (log.is_file() and "loss" in log.read_text()):
        time.sleep(0.1)
    os.kill(script.pid, signal.SIGTERM)
    ended = script.ended()
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert "the same command continues" in ended.stderr
    assert "stopped by SIGTERM, and saved" in log.read_text()
    assert (run_of_fold / "checkpoints/last.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs --classes FILE"),
        (["--classes", "none.yaml"], "none.yaml"),
        (["--classes", "classes.yaml", "--folds", "9"], "the number of patients with labels"),
    ],
)
def test_what_is_lacking_is_said(project, words, message):
    done = run(
        project, "prepare_dataset.py", "folder", "--raw", "my_clips", "--out", "datasets/x", *words
    )
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_a_run_refuses_a_dataset_that_was_prepared_with_other_classes(project, monkeypatch):
    from lgrseg.data.catalog import Metadata

    assert prepare(project).returncode == 0
    earlier = Metadata(classes=("la", "lv_cavity"), colors=((1, 2, 3),) * 2)
    monkeypatch.setattr(MetadataCatalog, "_described", {"mine_val": earlier})
    with pytest.raises(ValueError, match="the values in its masks differ"):
        MetadataCatalog.get("mine_val")


def test_a_dataset_that_is_not_prepared_is_named(project):
    config = ROOT / "configs/lgrnet/base.py"
    done = run(project, "train_net.py", "--config-file", config, "dataset=hearts")
    assert done.returncode == 1 and "hearts" in done.stderr
    assert "prepare_dataset.py folder" in done.stderr and "Traceback" not in done.stderr
