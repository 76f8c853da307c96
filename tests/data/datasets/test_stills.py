"""lgrseg/data/datasets/stills.py and stills_yolo.py: folders and YOLO; a clip of one frame each."""

import unicodedata

import cv2
import numpy as np
import pytest
from still_images import again, box_mask, picture, prepared

from lgrseg.data import ClipMapper, WholeVideoSampler
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.datasets.stills import in_class_folders, in_folders
from lgrseg.data.prepare import print_report
from lgrseg.data.store import open_frames, read_masks


@pytest.mark.parametrize("folder", ["training_set", "trainning_set", "train"])
def test_folders(tmp_path, monkeypatch, folder):
    raw = tmp_path / "raw"
    picture(raw / folder / "image" / "a.png")
    box_mask(raw / folder / "mask" / "a.png", 255)
    picture(raw / folder / "image" / "alone.png")
    box_mask(raw / folder / "mask" / "lost.png", 1)
    picture(raw / "val_set" / "image" / "b.png")
    box_mask(raw / "val_set" / "mask" / "b.png", 1, size=(9, 9))
    report = prepared("image_folders", raw, tmp_path, monkeypatch)
    assert report.unusable["train/alone"] == "alone.png: has no mask of the same name"
    assert report.unusable[f"{folder}/mask/lost.png"] == "has no image of the same name"
    assert "mask/b.png has size (9, 9), its image (40, 60)" in report.unusable["val/b"]
    (record,) = DatasetCatalog.get("image_folders_train")
    assert read_masks(record)[0].sum() == 200
    mapper = ClipMapper(frame_sampler=WholeVideoSampler(), input_size=(40, 60))
    clip, targets = mapper(record, 0, np.random.default_rng(0))
    assert clip.frames.shape == (1, 1, 40, 60) and targets.masks.sum() == 200


def test_yolo(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("a", "b", "c"):
        picture(raw / "train" / "images" / f"{name}.jpg")
    labels = raw / "train" / "labels"
    labels.mkdir()
    corners = "0.5 0.25 0.8333333 0.25 0.8333333 0.5 0.5 0.5"  # columns 30 to 50, rows 10 to 20
    (labels / "a.txt").write_text(f"2 {corners}\n\n7 {corners}\n0 0.1 0.1 0.2 0.2\n1 x\n")
    (labels / "lost.txt").write_text("")
    (labels / "b.txt").write_text("")
    report = prepared("brain_tumor_yolo", raw, tmp_path, monkeypatch)
    told = "is not a class of 0 to 2 and three points or more"
    assert report.unusable == {
        "train/labels/a.txt, line 3": told,
        "train/labels/a.txt, line 4": "is a box (class, centre, size), not an outline",
        "train/labels/a.txt, line 5": told,
        "train/labels/lost.txt": "has no image of the same name",
    }
    assert report.notes["train/a"][0] == f"labels/a.txt, line 3 {told}: left out"
    a, b, c = DatasetCatalog.get("brain_tumor_yolo_train")
    mask = read_masks(a)[0]
    assert (mask[10:20, 30:50] == 3).all() and (mask > 0).sum() == 200
    assert not read_masks(b)[0].any() and not read_masks(c)[0].any()


def test_nothing_there(tmp_path):
    for name in ("image_folders", "brain_tumor_coco", "brain_tumor_yolo"):
        with pytest.raises(FileNotFoundError, match="no folder train, val, test with images"):
            RAW[name].find_videos(tmp_path)


@pytest.mark.parametrize("folder", ["training_set", "trainning_set"])
def test_class_folders(tmp_path, monkeypatch, folder):
    raw = tmp_path / "raw"
    for name in ("benign/a", "malignant/a", "strange/b"):
        picture(raw / folder / f"{name}.png")
    report = prepared("class_folders", raw, tmp_path, monkeypatch)
    assert "is none of the classes benign" in report.unusable[f"{folder}/strange"]
    records = DatasetCatalog.get("class_folders_train")
    labels = {record.video_id: record.label for record in records}
    assert labels == {"train/benign/a": 0, "train/malignant/a": 1}
    assert records[0].annotated_frames == () and open_frames(records[0]).shape == (1, 40, 60)


def test_an_image_in_another_split_leaves_the_old_one(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        picture(raw / "train" / "image" / f"{name}.png", value=ord(name))
        box_mask(raw / "train" / "mask" / f"{name}.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    for kind in ("image", "mask"):
        (raw / "val" / kind).mkdir(parents=True)
        (raw / "train" / kind / "b.png").rename(raw / "val" / kind / "b.png")
    report = again("image_folders", raw, tmp_path)
    assert report.removed == {"train/b": "the same pictures are val/b now"}
    for split, name in (("train", "train/a"), ("val", "val/b")):
        (record,) = DatasetCatalog.get(f"image_folders_{split}")
        assert record.video_id == name


def test_an_image_that_moved_without_its_mask_is_in_no_split(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    picture(raw / "train" / "image" / "a.png")
    box_mask(raw / "train" / "mask" / "a.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    (raw / "val" / "image").mkdir(parents=True)
    (raw / "train" / "image" / "a.png").rename(raw / "val" / "image" / "a.png")
    report = again("image_folders", raw, tmp_path)
    assert "has no mask of the same name" in report.unusable["val/a"]
    assert report.removed == {"train/a": "the same pictures are val/a now"}
    assert not list((tmp_path / "store").glob("**/meta.json"))


def test_what_is_no_longer_in_the_raw_folder_stays_and_is_told(tmp_path, monkeypatch, capsys):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        picture(raw / "train" / "image" / f"{name}.png", value=ord(name))
        box_mask(raw / "train" / "mask" / f"{name}.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    for kind in ("image", "mask"):
        (raw / "train" / kind / "b.png").unlink()
    report = again("image_folders", raw, tmp_path)
    assert report.left_over == ["train/b"] and not report.removed
    print_report(report)
    assert "stay in the store: train/b" in " ".join(capsys.readouterr().out.split())
    assert len(DatasetCatalog.get("image_folders_train")) == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.31 0.36 0.31 0.31", "is a box (class, centre, size), not an outline"),
        ("0 30 10 50 10 50 20", "has coordinates of 10 to 50; they must be parts of the picture"),
        ("0 0.1 0.1 nan 0.1 0.5 0.5", "has a coordinate that is not a finite number"),
        ("0 0.1 0.1 0.10001 0.1 0.1 0.10001", "object 1 covers no pixel"),
        ("3 0.1 0.1 0.5 0.1 0.5 0.5", "is not a class of 0 to 2"),
    ],
)
def test_an_image_with_labels_of_yolo_is_never_one_that_shows_nothing(tmp_path, line, why):
    raw = tmp_path / "raw"
    picture(raw / "train" / "images" / "a.jpg")
    labels = raw / "train" / "labels"
    labels.mkdir()
    (labels / "a.txt").write_text(f"{line}\n")
    report = again("brain_tumor_yolo", raw, tmp_path)
    assert not report.prepared and why in report.unusable["train/a"]


def test_labels_of_yolo_in_other_files_or_none_at_all(tmp_path):
    raw = tmp_path / "raw"
    for split in ("train", "val"):
        picture(raw / split / "images" / "a.jpg")
    (raw / "train" / "labels").mkdir()
    (raw / "train" / "labels" / "a.json").write_text("{}")
    report = again("brain_tumor_yolo", raw, tmp_path)
    assert not report.prepared
    assert report.unusable["val"] == "has images/ but no labels/"
    assert "has labels in a.json; they must be in a.txt" in report.unusable["train/a"]


def test_two_masks_of_one_name_are_refused(tmp_path):
    raw = tmp_path / "raw"
    picture(raw / "train" / "image" / "a.png")
    for kind in ("png", "bmp"):
        box_mask(raw / "train" / "mask" / f"a.{kind}", 255)
    (raw / "train" / "mask" / "b.npy").touch()
    report = again("image_folders", raw, tmp_path)
    assert "has several masks: a.bmp, a.png" in report.unusable["train/a"]
    assert "is none of .png" in report.unusable["train/mask/b.npy"]


def test_umlauts_of_macos_are_those_of_other_systems(tmp_path):
    apart = {name: unicodedata.normalize("NFD", name) for name in ("für", "bösartig")}
    picture(tmp_path / "image" / f"{apart['für']}.png")
    box_mask(tmp_path / "mask" / "für.png", 1)
    problems = {}
    (still,) = in_folders(tmp_path, ("cyst",), problems)
    assert still.mask and not still.refused and not problems
    picture(tmp_path / "classes" / apart["bösartig"] / "a.png")
    (still,) = in_class_folders(tmp_path / "classes", ("gutartig", "bösartig"), problems)
    assert still.label == 1 and not problems


def test_an_image_that_was_cut_is_named(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        picture(raw / "train" / "normal" / f"{name}.jpg")
    cut = raw / "train" / "normal" / "b.jpg"
    cut.write_bytes(cut.read_bytes()[:-20])
    report = prepared("class_folders", raw, tmp_path, monkeypatch)
    assert report.unusable == {"train/normal/b": "b.jpg: b.jpg is cut short: its end is missing"}


def test_an_image_of_16_bits_is_not_black(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    (raw / "train" / "image").mkdir(parents=True)
    ramp = np.linspace(0, 4095, 40 * 60).reshape(40, 60).astype(np.uint16)
    cv2.imwrite(str(raw / "train" / "image" / "a.png"), ramp)
    box_mask(raw / "train" / "mask" / "a.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("image_folders_train")
    frame = open_frames(record)[0]
    assert frame.min() == 0 and frame.max() >= 250


@pytest.mark.parametrize(
    ("case", "name", "pixels"),
    [("n07_palette", "image_folders", 1200), ("n09_coco_good", "brain_tumor_coco", 1200)],
)
def test_cases_from_the_field(shared, tmp_path, monkeypatch, case, name, pixels):
    raw = shared / "cases" / "io" / case
    if not raw.is_dir():
        pytest.skip(f"no {raw}")
    prepared(name, raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get(f"{name}_train")
    assert read_masks(record)[0].sum() == pixels
