"""CAMUS: its public layout, with and without parts, and the real files."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from lgrseg.data import DatasetCatalog
from lgrseg.data.datasets import camus
from lgrseg.data.phantom import raw_layouts
from lgrseg.data.prepare import prepare
from lgrseg.data.store import open_frames, read_masks


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Raw files of three simulated patients in CAMUS's layout."""
    raw = tmp_path_factory.mktemp("raw")
    raw_layouts.write_raw_camus(raw, num_patients=3)
    return raw


@pytest.fixture
def raw(simulated, tmp_path):
    return shutil.copytree(simulated, tmp_path / "raw")


def prepared(raw, out, monkeypatch):
    videos, problems = camus.find_videos(raw)
    report = prepare(videos, problems, out / "camus")
    camus.finish(raw, out / "camus")
    monkeypatch.setenv("LGRSEG_DATASETS", str(out))
    return report


def test_whole_release(raw, tmp_path, monkeypatch):
    report = prepared(raw, tmp_path, monkeypatch)
    assert len(report.prepared) == 3 * 2 * 2 and not report.unusable
    (record,) = DatasetCatalog.get("camus_4ch_train")
    frames, masks = open_frames(record), read_masks(record)
    assert frames.shape == (2, *record.original_size) and sorted(masks) == [0, 1]
    # End-diastole first: the ventricle is larger then.
    assert (masks[0] == 1).sum() > 1.3 * (masks[1] == 1).sum()
    assert set(np.unique(masks[0])) == {0, 1, 2, 3}
    assert record.patient == "patient0001" and record.image_quality == "Good"
    sequence = DatasetCatalog.get("camus_half_sequence_val")
    assert {r.view for r in sequence} == {"2CH", "4CH"}
    assert all(len(r.annotated_frames) == r.num_frames > 5 for r in sequence)


def test_the_picture_stands_upright(raw, tmp_path, monkeypatch):
    """Files have (lateral, depth): the fan's tip must be at the top."""
    prepared(raw, tmp_path, monkeypatch)
    record = DatasetCatalog.get("camus_2ch_train")[0]
    file = raw / "database_nifti" / "patient0001" / "patient0001_2CH_ED.nii.gz"
    assert np.array_equal(open_frames(record)[0], np.asarray(nibabel.load(file).dataobj).T)


def test_sequences_recorded_backwards_are_turned(raw, tmp_path, monkeypatch):
    folder = raw / "database_nifti" / "patient0001"
    info = folder / "Info_4CH.cfg"
    frames = nibabel.load(folder / "patient0001_4CH_half_sequence.nii.gz").shape[2]
    info.write_text(
        info.read_text().replace("ED: 1", f"ED: {frames}").replace(f"ES: {frames}", "ES: 1")
    )
    for kind in ("", "_gt"):
        file = folder / f"patient0001_4CH_half_sequence{kind}.nii.gz"
        image = nibabel.load(file)
        turned = np.asarray(image.dataobj)[..., ::-1]
        nibabel.save(nibabel.Nifti1Image(turned, image.affine), file)
    prepared(raw, tmp_path, monkeypatch)
    records = DatasetCatalog.get("camus_half_sequence_train")
    masks = read_masks(next(r for r in records if r.view == "4CH"))
    assert (masks[0] == 1).sum() > 1.3 * (masks[max(masks)] == 1).sum()


def test_ed_and_es_have_one_scale(raw, tmp_path, monkeypatch):
    """Numbers beyond 8 bit are stretched: by the same factor for both."""
    folder = raw / "database_nifti" / "patient0001"
    for phase, value in (("ED", 1000), ("ES", 2000)):
        _change(
            folder / f"patient0001_4CH_{phase}.nii.gz",
            lambda image, value=value: (
                np.full(image.shape, value, np.int16) * (np.arange(len(image)) > 0)[:, None]
            ),
        )
    prepared(raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("camus_4ch_train")
    frames = open_frames(record)
    assert frames[1].max() == 255 and frames[0].max() in (127, 128) and frames.min() == 0


def test_without_masks_cfg_and_splits(raw, tmp_path, monkeypatch):
    for file in (*raw.glob("**/*_gt.nii.gz"), *raw.glob("**/*.cfg")):
        file.unlink()
    shutil.rmtree(raw / "database_split")
    report = prepared(raw / "database_nifti", tmp_path, monkeypatch)
    assert len(report.prepared) == 12
    with pytest.raises(FileNotFoundError, match="no list of patients for 'train'"):
        DatasetCatalog.get("camus_train")


def test_odd_files_are_reported_and_the_rest_goes_on(raw, tmp_path, monkeypatch):
    folder = raw / "database_nifti" / "patient0001"
    cut = folder / "patient0001_4CH_ED.nii.gz"
    cut.write_bytes(cut.read_bytes()[:200])
    _change(folder / "patient0001_2CH_ED_gt.nii.gz", lambda labels: labels[:-1])
    second = raw / "database_nifti" / "patient0002"
    _change(second / "patient0002_2CH_ED_gt.nii.gz", lambda labels: labels + 7)
    (second / "patient0002_4CH_ES.nii.gz").unlink()
    (second / "patient0002_3CH_ED.nii.gz").touch()
    report = prepared(raw, tmp_path, monkeypatch)
    assert "cut short" in report.unusable["patient0001_4CH"]
    assert "the image" in report.unusable["patient0001_2CH"]
    assert "labels [7, 8, 9, 10]; CAMUS has 0 to 3" in report.unusable["patient0002_2CH"]
    assert "only ED is there" in report.unusable["patient0002_4CH"]
    assert "expected patient0002" in report.unusable["patient0002/patient0002_3CH_ED.nii.gz"]
    assert report.num_usable == 12 - 4


def _change(file, change):
    image = nibabel.load(file)
    nibabel.save(nibabel.Nifti1Image(change(np.asarray(image.dataobj)), image.affine), file)


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder patient0001.*creatis"):
        camus.find_videos(tmp_path)


def test_real_files(shared_data, tmp_path, monkeypatch):
    real = shared_data / "camus"
    if not real.is_dir():
        pytest.skip(f"no {real}")
    videos, problems = camus.find_videos(real)
    assert len(videos) >= 400 and not problems
    chosen = [v for v in videos if v.patient in ("patient0001", "patient0200")]
    prepare(chosen, problems, tmp_path / "camus")
    camus.finish(real, tmp_path / "camus")
    splits = json.loads((tmp_path / "camus" / "splits.json").read_text())
    assert [len(splits[s]) for s in ("train", "val", "test")] == [400, 50, 50]
    assert len(splits) == 33
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path))
    (record,) = DatasetCatalog.get("camus_4ch_train")
    assert record.spacing_mm == pytest.approx([0.308, 0.308])
    masks = read_masks(record)
    assert (masks[0] == 1).sum() > (masks[1] == 1).sum()


def test_files_of_another_patient_or_without_an_image_are_told(raw):
    folder = raw / "database_nifti" / "patient0001"
    strays = (
        "patient0002_4CH_ED.nii.gz",  # in the wrong folder
        "patient0002_4CH_ES_gt.nii.gz",
        "patient0001_4CH_ES.nii",  # unpacked
        "notes.txt",
    )
    for name in strays:
        (folder / name).touch()
    (folder / "patient0001_2CH_half_sequence.nii.gz").unlink()  # and leave its mask
    (raw / "database_nifti" / "patient0004").mkdir()
    videos, problems = camus.find_videos(raw)
    left = "patient0001_2CH_half_sequence_gt.nii.gz"
    assert set(problems) == {f"patient0001/{name}" for name in (*strays, left)} | {"patient0004"}
    assert "expected patient0001_{2CH,4CH}" in problems["patient0001/notes.txt"]
    assert len(videos) == 12 - 1


def test_an_order_taken_on_trust_and_an_empty_mask_are_told(raw, tmp_path, monkeypatch):
    folder = raw / "database_nifti" / "patient0001"
    (folder / "Info_4CH.cfg").unlink()
    _change(folder / "patient0001_2CH_ES_gt.nii.gz", lambda labels: labels * 0)
    report = prepared(raw, tmp_path, monkeypatch)
    assert report.notes["patient0001_4CH_half_sequence"][0] == (
        "Info_4CH.cfg lacks ED or ES: the clip is read as ED to ES"
    )
    assert "frame 1: the mask is empty" in report.notes["patient0001_2CH"]


def test_a_line_of_the_cfg_that_is_no_number_costs_that_number_alone(raw, tmp_path, monkeypatch):
    """Line 2 is ES, 7 the EF, 8 the rate."""
    folder = raw / "database_nifti" / "patient0001"
    info = folder / "Info_4CH.cfg"
    lines = info.read_text().splitlines()
    lines[1], lines[6], lines[7] = "ES: ", "EF: 140", "FrameRate: 47,5"
    info.write_text("\n".join(lines))
    report = prepared(raw, tmp_path, monkeypatch)
    assert len(report.prepared) == 12 and not report.unusable
    told = report.notes["patient0001_4CH_half_sequence"]
    assert told[0].startswith("Info_4CH.cfg, line 2: ES is '', which is not a number above -1")
    assert told[1].startswith("Info_4CH.cfg, line 7: EF is '140'") and "up to 100" in told[1]
    records = DatasetCatalog.get("camus_half_sequence_train")
    record = next(r for r in records if r.view == "4CH")
    assert record.fps == 47.5 and record.reference_ejection_fraction is None


def test_an_interrupted_preparation_has_no_lists_yet(raw, tmp_path, monkeypatch):
    prepared(raw, tmp_path, monkeypatch)
    (tmp_path / "camus" / "splits.json").unlink()
    with pytest.raises(FileNotFoundError, match="no list of patients for 'val'"):
        DatasetCatalog.get("camus_val")
