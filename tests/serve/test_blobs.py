"""Folders of jobs."""

import os
import stat

import pytest

from lgrseg.serve.blobs import Blobs, DiskFull, describe_files


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "data")


def test_an_upload_becomes_a_job_that_only_its_user_can_read(blobs):
    upload = blobs.new_upload()
    (upload / "frames.u8").write_bytes(b"abc")
    folder = blobs.accept(upload)
    assert folder == blobs.folder(upload.name) and (folder / "frames.u8").read_bytes() == b"abc"
    for path in (blobs.home, folder.parent, folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    results = blobs.new_results(upload.name, 1)
    (results / "masks.json").write_text("{}")
    (results / "something else").write_text("")
    (found,) = describe_files(results)
    assert found["name"] == "masks.json" and found["bytes"] == 2
    assert stat.S_IMODE((results / "masks.json").stat().st_mode) == 0o600
    blobs.new_results(upload.name, 2)  # the first attempt was lost
    assert [path.name for path in folder.glob("results.*")] == ["results.2"]


@pytest.mark.parametrize("name", ["../etc", "", "A" * 32, "0" * 31, "0" * 32 + "\n", "0" * 33])
def test_what_is_no_name_has_no_folder(blobs, name):
    with pytest.raises(ValueError, match="32 hexadecimal"):
        blobs.folder(name)


def test_strays_are_swept(blobs):
    kept, stray = (blobs.accept(blobs.new_upload()) for _ in range(2))
    young, old = blobs.new_upload(), blobs.new_upload()
    for path in (kept, stray, old):
        os.utime(path, (0, 0))
    assert blobs.sweep({kept.name}, older_than=60) == 2
    assert [path.exists() for path in (kept, stray, young, old)] == [True, False, True, False]


def test_a_full_disk(tmp_path):
    with pytest.raises(DiskFull, match="stay free"):
        Blobs(tmp_path, min_free=2**60).check_space()
