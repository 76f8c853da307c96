"""Catalog and store: names, where to get the data, atomic folders."""

import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from lgrseg.data import DatasetCatalog, MetadataCatalog
from lgrseg.data.store import open_frames, read_masks, read_record, read_records, write_video


def test_unknown_names_suggest_the_right_one():
    with pytest.raises(ValueError, match="the nearest are camus_4ch_train, ") as caught:
        DatasetCatalog.get("camus_4ch_trian")
    assert str(caught.value).count("camus_") == 4  # the name itself, and three others
    assert MetadataCatalog.get("cardiac_udc_train").classes[1] == "left_atrium"
    with pytest.raises(ValueError, match="registered already"):
        DatasetCatalog.register("camus_train", list)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("camus_train", "creatis.insa-lyon.fr"),
        ("cardiac_udc_train", "kaggle.com"),
        ("phantom_demo_train", "tools/prepare_dataset.py phantom_demo"),
    ],
)
def test_a_missing_root_says_where_to_get_the_data(name, where, tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=where):
        DatasetCatalog.get(name)


def test_store_round_trip(make_video, tmp_path):
    record = make_video("Site_A/patient1-4", annotated=(1, 3))
    (again,) = read_records(tmp_path)
    assert again == record and again.annotated_frames == (1, 3)
    frames, masks = open_frames(record), read_masks(record)
    assert isinstance(frames, np.memmap) and frames.shape == (5, 32, 48)
    assert sorted(masks) == [1, 3] and masks[1].shape == (40, 60)
    assert read_masks(make_video("unlabelled", annotated=())) == {}


def test_a_video_below_another_survives_it(make_video, tmp_path):
    inner = make_video("anna/rest", annotated=(1,))
    make_video("anna", annotated=(1,))
    outer = make_video("anna", annotated=())
    assert [record.video_id for record in read_records(tmp_path)] == ["anna", "anna/rest"]
    assert len(open_frames(inner)) == 5 and read_masks(inner).keys() == {1}
    assert sorted(path.name for path in outer.folder.iterdir()) == [
        "frames.npy",
        "meta.json",
        "rest",
    ]


def test_other_entries_of_the_file_are_facts(make_video, tmp_path):
    folder = make_video("v").folder
    meta = json.loads((folder / "meta.json").read_text())
    added = {"label": 2, "sequence": "ed_es", "info": {"ImageQuality": "Poor", "Age": "56"}}
    (folder / "meta.json").write_text(json.dumps(meta | added))
    record = read_record(folder)
    assert (record.label, record.image_quality, record.split) == (2, "Poor", None)
    assert record.facts["sequence"] == "ed_es" and record.facts["info"]["Age"] == "56"
    assert "label" not in record.facts and "video_id" not in record.facts
    assert (record.original_size, record.crop_box) == ((40, 60), (4, 6, 36, 54))
    with pytest.raises(FrozenInstanceError):
        record.label = 1
    assert pickle.loads(pickle.dumps(record)) == record and len({record, read_record(folder)}) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is damaged .*: delete .*, prepare again"),
        ("[]", "holds no JSON object: delete .*, prepare again"),
        ('{"video_id": "v", "original_size": [4, 6]}', "has no entry 'crop_box': delete"),
        ('{"video_id": "v", "original_size": [4], "crop_box": null}', "is damaged .*: delete"),
    ],
)
def test_a_file_that_holds_no_record_is_named(tmp_path, text, what):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(ValueError, match=f"meta.json {what}"):
        read_record(tmp_path)


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError):
        write_video(tmp_path, np.zeros((1, 2, 2)), {0: np.zeros(2), 1: np.zeros(3)}, _meta("x"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="holds no prepared video. Get it here"):
        read_records(tmp_path, how_to_get="Get it here.")


def _meta(video_id):
    names = "original_size crop_box spacing_mm fps site patient view sources".split()
    return dict.fromkeys(names) | {"video_id": video_id}
