"""lgrseg/data/registration.py: a dataset of one's own, and what is refused."""

import pytest
from conftest import made_up_record, square_video

from lgrseg.data import DatasetCatalog, MetadataCatalog, register_dataset


def test_a_prepared_folder_is_known_by_name(tmp_path):
    register_dataset("registered_a", tmp_path / "a", classes=["square", "rest"])
    assert MetadataCatalog.get("registered_a").classes == ("square", "rest")
    assert len(set(MetadataCatalog.get("registered_a").colors)) == 2
    with pytest.raises(FileNotFoundError, match="Prepare registered_a with tools/prepare_dataset"):
        DatasetCatalog.get("registered_a")
    square_video(tmp_path / "a", "v1")
    (record,) = DatasetCatalog.get("registered_a")
    assert record.video_id == "v1" and record.num_frames == 5


def test_a_function_lists_records():
    records = [made_up_record("x")]
    register_dataset("registered_b", lambda: records, classes=("a",), colors=[(1, 2, 3)])
    assert DatasetCatalog.get("registered_b") == records
    assert MetadataCatalog.get("registered_b").colors == ((1, 2, 3),)


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ([{"video_id": "x"}], "returned a list with a dict, but a list of VideoRecord is needed"),
        (("x",), "returned a tuple, but a list of VideoRecord is needed"),
        (None, "returned a NoneType, .*read_records"),
    ],
)
def test_a_function_that_lists_something_else_is_refused(returned, what, monkeypatch):
    monkeypatch.setitem(DatasetCatalog._entries, "registered_e", lambda: returned)
    with pytest.raises(TypeError, match=f"dataset 'registered_e': .* {what}"):
        DatasetCatalog.get("registered_e")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"classes": []}, "must be a list of different names"),
        ({"classes": ["a", "a"]}, "must be a list of different names"),
        ({"classes": "left"}, "must be a list of different names"),
        ({"classes": ["a"], "colors": [(1, 2, 3), (4, 5, 6)]}, "1 classes and 2 colors"),
    ],
)
def test_what_is_refused(settings, what):
    with pytest.raises(ValueError, match=what):
        register_dataset("registered_c", "nowhere", **settings)
    assert "registered_c" not in DatasetCatalog.list()


def test_a_name_is_taken_once():
    register_dataset("registered_d", "nowhere", classes=["a"])
    with pytest.raises(ValueError, match="'registered_d' is registered already"):
        register_dataset("registered_d", "nowhere", classes=["a"])
