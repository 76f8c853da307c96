"""Files appear whole, and new ones replace nothing; on a disk, in memory, and in S3."""

import uuid

import pytest

from lgrseg.batch import Place, StorageError


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_files_of_a_place(kind, tmp_path):
    place = Place(str(tmp_path / "a") if kind == "folder" else f"memory://{uuid.uuid4()}")
    assert place.read("x/1") is None and place.names("x") == []
    place.write("x/1", b"one")
    place.write("x/1", b"two")
    place.write("x/2", b"new", is_new=True)
    with pytest.raises(FileExistsError):
        place.write("x/2", b"newer", is_new=True)
    assert place.read("x/1") == b"two" and place.read("x/2") == b"new"
    assert place.names("x") == ["x/1", "x/2"]
    if kind == "folder":
        assert {path.name for path in (tmp_path / "a" / "x").iterdir()} == {"1", "2"}


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file/x/1 cannot be written"):
        Place(str(tmp_path / "file")).write("x/1", b"")
