"""An archive from its clips to its table: once each, resumed, with reasons."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bright_disc import ROOT, dice, disc_clip

from lgrseg.batch import AlreadyWrittenError, Place, Recipe, StorageError, read_archive, run_batch
from lgrseg.batch.rows import ArchiveTable
from lgrseg.data.io.mask_files import MaskFile


def in_this_process(clips, make, **_):
    """The work of the executors without their processes."""
    segment = make(0)
    for clip in clips:
        yield clip, segment(clip)


def rows_of(output):
    return {row["path"].rpartition("/")[2]: row for row in read_archive(str(output)).to_pylist()}


def segment(run, archive, output, **settings):
    recipe = Recipe(runs=(run,), device="cpu")
    settings = {"executor": in_this_process, "threads": 1} | settings
    return run_batch(recipe, str(archive), str(output), **settings)


def test_an_archive(run, archive, tmp_path, capsys):
    output = tmp_path / "out"
    report = segment(run, archive, output, part_size=2)
    assert (report.rows, report.failed, report.was_there) == (4, 1, 1)
    rows = rows_of(output)
    assert set(rows) == {"0.mp4", "1.mp4", "copy.mp4", "broken.mp4"}
    assert rows["broken.mp4"]["status"] == "failed" and rows["broken.mp4"]["frames"] is None
    assert "broken.mp4 cannot be read" in rows["broken.mp4"]["reason"]
    assert rows["0.mp4"]["key"] == rows["copy.mp4"]["key"] != rows["1.mp4"]["key"]
    assert rows["1.mp4"]["frames"] == 3 and rows["1.mp4"]["left_ventricle_mean_area"] > 0
    folder = output / "results" / rows["1.mp4"]["key"][:2] / rows["1.mp4"]["key"]
    assert {path.name for path in folder.iterdir()} == {
        *("masks.nii.gz", "measurements.json", "row.json")
    }
    with MaskFile(folder / "masks.nii.gz") as stored:
        _, discs = disc_clip(3, seed=1)
        assert min(dice(mask, disc) for mask, disc in zip(stored, discs, strict=True)) > 0.7
        assert stored.made_by.endswith(rows["1.mp4"]["key"])
    lines = [json.loads(path.read_text()) for path in sorted((output / "manifest").iterdir())]
    assert [line["clips"] for line in lines] == [2, 2] and sum(x["failed"] for x in lines) == 1
    assert "not used: 1 files: no known kind of clip (.pdf)" in capsys.readouterr().err


def test_what_is_committed_is_not_repeated(run, archive, tmp_path):
    output = tmp_path / "out"
    segment(run, archive, output)
    again = segment(run, archive, output)
    assert (again.earlier, again.rows) == (4, 0)
    (archive / "broken.mp4").write_bytes((archive / "site" / "1.mp4").read_bytes())  # it changed
    (archive / "new.mp4").write_bytes(b"")
    third = segment(run, archive, output)
    assert (third.earlier, third.rows, third.was_there, third.failed) == (3, 2, 1, 1)
    assert rows_of(output)["broken.mp4"]["status"] == "done"
    fourth = segment(run, archive, output, retry_failed=True)
    assert (fourth.rows, fourth.failed) == (1, 1)


def test_a_stopped_run_keeps_its_results_and_commits_its_rows(run, archive, tmp_path):
    output = tmp_path / "out"

    def stopped(clips, make, **settings):
        for number, found in enumerate(in_this_process(clips, make)):
            if number == 2:
                raise KeyboardInterrupt
            yield found

    with pytest.raises(KeyboardInterrupt):
        segment(run, archive, output, executor=stopped)
    assert len(rows_of(output)) == 2
    for part in (output / "table").iterdir():  # as if the driver was killed before it committed
        part.unlink()
    report = segment(run, archive, output)
    assert report.rows == 4 and report.was_there == 2  # the copy, and the first of the stopped run


def test_two_writers_of_a_shard(tmp_path):
    place = Place(str(tmp_path))
    row = {"path": "a", "version": "", "key": "", "status": "failed", "reason": "x"}
    row |= {"was_there": False, "seconds": 1.0, "cpu_seconds": 1.0}
    first, second, other = ArchiveTable(place), ArchiveTable(place), ArchiveTable(place, 1, 2)
    first.commit([row])
    with pytest.raises(AlreadyWrittenError, match="two of them work on the same shard"):
        second.commit([row])
    other.commit([row | {"path": "b"}])
    (line,) = (tmp_path / "manifest").glob("*00000-of-00001.json")
    line.unlink()  # killed between the part and its line
    assert ArchiveTable(place).done() == {("a", ""): "failed", ("b", ""): "failed"}
    assert json.loads(line.read_text())["clips"] == 1


def test_an_output_belongs_to_one_recipe(run, archive, tmp_path):
    segment(run, archive / "broken.mp4", tmp_path / "out")
    with pytest.raises(ValueError, match="other models, settings or another version"):
        run_batch(Recipe(runs=(run,), crop=False), str(archive), str(tmp_path / "out"))
    with pytest.raises(ValueError, match="film2 cannot be written; there are masks"):
        Recipe(runs=(run,), written=("film2",))


def test_an_output_that_cannot_be_used_is_no_fault_of_a_clip(run, archive, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "results").write_bytes(b"")  # so nothing can be below it
    with pytest.raises(StorageError, match="cannot be read"):
        segment(run, archive / "copy.mp4", output)
    assert read_archive(str(output)).num_rows == 0


def batch(*words, **more):
    command = [sys.executable, ROOT / "tools" / "batch.py", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more
    )


@pytest.mark.slow
def test_the_command_survives_its_own_death(run, archive, tmp_path):
    """The driver is killed as soon as a result is stored; the same command finishes."""
    for number in range(20):
        (archive / f"copy{number}.mp4").write_bytes((archive / "copy.mp4").read_bytes())
    words = ("--input", archive, "--output", tmp_path / "out", "--run", run, "--device", "cpu")
    words = (*words, "--part-size", 5, "--workers", 2, "--threads", 1)
    first = batch(*words)
    while first.poll() is None and not list(tmp_path.glob("out/results/*/*/row.json")):
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (stored, *_) = tmp_path.glob("out/results/*/*/row.json")
    written = stored.stat().st_mtime_ns
    second = batch(*words)
    out, err = second.communicate()
    assert second.returncode == 0, err
    assert out.startswith("24 clips have a row"), out
    assert len(rows_of(tmp_path / "out")) == 24 and stored.stat().st_mtime_ns == written
    parts = ArchiveTable(Place(str(tmp_path / "out")))
    assert len(parts.done()) == 24


@pytest.mark.slow
def test_input_and_output_in_s3(run, archive, bucket):
    for path in archive.rglob("*.mp4"):
        key = f"clips/{path.relative_to(archive)}"
        bucket.put_object(Bucket="archive", Key=key, Body=path.read_bytes())
    report = segment(run, "s3://archive/clips", "s3://archive/out")
    assert (report.rows, report.failed, report.was_there) == (4, 1, 1)
    assert segment(run, "s3://archive/clips", "s3://archive/out").rows == 0
    rows = rows_of("s3://archive/out")
    assert rows["1.mp4"]["path"] == "s3://archive/clips/site/1.mp4"
    key = rows["1.mp4"]["key"]
    masks = bucket.get_object(Bucket="archive", Key=f"out/results/{key[:2]}/{key}/masks.nii.gz")
    assert masks["Body"].read()[:2] == b"\x1f\x8b"
    place = Place("s3://archive/out")
    place.write("x", b"1", is_new=True)
    with pytest.raises(FileExistsError):
        place.write("x", b"2", is_new=True)
    bucket.put_object(Bucket="archive", Key="clips/broken.mp4", Body=b"other bytes")  # a new ETag
    assert segment(run, "s3://archive/clips", "s3://archive/out").rows == 1


@pytest.mark.slow
def test_ray(run, archive, tmp_path):
    pytest.importorskip("ray", reason="pip install '.[ray]'")
    from lgrseg.batch import run_with_ray

    report = segment(run, archive, tmp_path / "out", workers=1, executor=run_with_ray)
    assert (report.rows, report.failed, report.was_there) == (4, 1, 1)
    assert len(rows_of(Path(tmp_path / "out"))) == 4
