"""Folds of any dataset, by name: who is in which part."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lgrseg.data import DatasetCatalog, MetadataCatalog, VideoRecord
from lgrseg.data.catalog import Metadata
from lgrseg.data.described import unlabelled_parts
from lgrseg.data.folds import Fold
from lgrseg.studies.comparison.cross_validation import folds_of

METADATA = Metadata(classes=("lv",), colors=((1, 2, 3),))


def record(number, patient, *, labelled=True):
    return VideoRecord(
        video_id=f"v{number}",
        folder=Path(f"v{number}"),
        patient=patient,
        num_frames=2,
        original_size=(4, 4),
        crop_box=(0, 0, 4, 4),
        annotated_frames=(0,) if labelled else (),
    )


@pytest.fixture
def hearts(monkeypatch):
    """A dataset of five patients, one in val, one without labels; patient a has two videos."""
    for catalog in (DatasetCatalog, MetadataCatalog):
        monkeypatch.setattr(catalog, "_entries", dict(catalog._entries))
    train = [record(0, "a"), record(1, "a"), record(2, "b"), record(3, "c")]
    train.append(record(4, "e", labelled=False))
    parts = {"train": train, "val": [record(5, "d")]}
    for part, records in parts.items():
        DatasetCatalog.register(f"hearts_{part}", lambda records=records: records)
        MetadataCatalog.register(f"hearts_{part}", METADATA)


def patients(name):
    return {record.patient for record in DatasetCatalog.get(name)}


def test_every_labelled_patient_is_left_out_once(hearts):
    for count in (2, 3, 4):
        left_out = [patients(f"hearts_fold{k}of{count}_val") for k in range(count)]
        assert sorted(p for fold in left_out for p in fold) == ["a", "b", "c", "d"]
        for k, fold in enumerate(left_out):
            assert patients(f"hearts_fold{k}of{count}_train") == {"a", "b", "c", "d"} - fold
    assert max(map(len, left_out)) - min(map(len, left_out)) <= 1
    videos = [r.video_id for k in (0, 1) for r in DatasetCatalog.get(f"hearts_fold{k}of2_val")]
    assert sorted(videos) == ["v0", "v1", "v2", "v3", "v5"]
    assert MetadataCatalog.get("hearts_fold1of2_val") == METADATA
    assert "hearts_fold1of2_val" in DatasetCatalog
    assert "lungs_fold1of2_val" not in DatasetCatalog


def test_videos_without_labels_of_those_left_out_are_left_out(hearts):
    more = [record(10 + k, name, labelled=False) for k, name in enumerate("abcdx")]
    DatasetCatalog.register("hearts_unlabelled", lambda: more)
    for fold in folds_of("hearts_train", 2):
        (name,) = unlabelled_parts(fold.train)
        assert patients(name) == set("abcdx") - patients(fold.tests[0])
        cfg = {
            "dataset": "hearts_train",
            "unlabelled": {"datasets": ["lungs", "hearts_unlabelled"]},
        }
        changed = fold.changes(OmegaConf.create({"dataloader": {"train": cfg}}))
        assert changed[1] == f"dataloader.train.unlabelled.datasets=[lungs, {name}]"
    more[:] = [record(9, patients(fold.tests[0]).pop(), labelled=False)]  # only of one left out
    assert unlabelled_parts(fold.train) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hearts_fold0of9_val", "has 4 patients with labels, so it can have 2 to 4 folds, not 9"),
        ("hearts_fold0of1_val", "not 1"),
        ("hearts_fold3of3_train", "has the folds 0 to 2, not 3"),
    ],
)
def test_folds_that_are_not_there(hearts, name, message):
    with pytest.raises(ValueError, match=message):
        DatasetCatalog.get(name)


def test_other_names_are_no_folds():
    assert Fold.parse("mine_fold0_train") is None and Fold.parse("camus_4ch_val") is None


def test_the_folds_of_a_dataset(hearts):
    first, second = folds_of("hearts_train", 2)
    assert (first.train, first.tests) == ("hearts_fold0of2_train", ("hearts_fold0of2_val",))
    assert second.number == 1
    with pytest.raises(ValueError, match="hearts has no folds of its own: --folds 5"):
        folds_of("hearts_train")
    with pytest.raises(ValueError, match="NAME_train, not hearts"):
        folds_of("hearts")
    published = folds_of("camus_4ch_train")
    assert [fold.number for fold in published] == list(range(1, 11))
    assert published[0].tests == ("camus_4ch_fold1_val", "camus_4ch_fold1_test")
