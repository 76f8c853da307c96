"""tools/predict.py as a user runs it: what it writes, keeps, refuses, and says at the end."""

import csv
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from bright_disc import CONFIG, OVERRIDES, ROOT, dice, disc_clip
from forked import run_script

from lgrseg.visualization.overlays import write_mp4

KINDS = ("masks.nii.gz", "measurements.json", "overlay.mp4", "preview.png")


def predict(weights, source, output, *options, environment=None):
    words = ["--config-file", CONFIG, "--weights", weights, "--input", source, "--output", output]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
    tool = ROOT / "tools" / "predict.py"
    return run_script(tool, [*words, *options, *OVERRIDES], environment=environment)


def write_movie(path: Path, num_frames=5, *, seed=0, fps=12.5) -> np.ndarray:
    """Write a clip of a disc; where the disc is."""
    frames, discs = disc_clip(num_frames, seed=seed)
    write_mp4(path, np.repeat(frames[..., None], 3, axis=-1), fps=fps)
    return discs


def read_masks(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_no_clip_ends_a_folder(weights, tmp_path):
    clips, out = tmp_path / "clips", tmp_path / "out"
    discs = write_movie(clips / "p2" / "z.mp4")
    write_movie(clips / "p1" / "z.mp4", seed=3)
    (clips / "p1" / "broken.dcm").write_bytes(b"no")
    (clips / "a.nii.gz").write_bytes((clips / "p1" / "z.mp4").read_bytes())
    shutil.copy(clips / "p1" / "z.mp4", clips / "p1" / "z_gt.mp4")
    (clips / "preview.png").touch()
    result = predict(weights, clips, out)
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert "2 of 4 clips segmented" in result.stdout
    for bad in ("a.nii.gz", "p1/broken.dcm"):
        assert f"not segmented: {clips / bad}: " in result.stderr
    assert "z_gt.mp4: named like a mask" in result.stderr
    assert "preview.png: pictures beside clips" in result.stderr
    results = [f"p{n}/z_{kind}" for n in (1, 2) for kind in KINDS]
    assert files_below(out) == ["measurements.csv", *results]
    assert dice(read_masks(out / "p2" / "z_masks.nii.gz"), discs) > 0.9
    with av.open(str(out / "p2" / "z_overlay.mp4")) as film:
        assert film.streams.video[0].frames == 5
        assert film.streams.video[0].average_rate == Fraction(25, 2)


def test_results_beside_the_clip_never_replace_it(weights, tmp_path):
    write_movie(tmp_path / "clip.mp4")
    before = (tmp_path / "clip.mp4").read_bytes()
    assert predict(weights, tmp_path / "clip.mp4", tmp_path).returncode == 0
    written = ["clip.mp4", *(f"clip_{kind}" for kind in KINDS), "measurements.csv"]
    assert files_below(tmp_path) == written
    # As a folder: what was written is no clip, and the clip is done.
    again = predict(weights, tmp_path, tmp_path)
    assert again.returncode == 0 and "1 of 1 clips" in again.stdout
    assert "1 existed already" in again.stdout
    assert predict(weights, tmp_path, tmp_path, "--overwrite").returncode == 0
    assert (tmp_path / "clip.mp4").read_bytes() == before
    assert files_below(tmp_path) == written


@pytest.mark.parametrize("name", [f"clip_{kind}" for kind in KINDS])
def test_a_file_that_was_not_written_here_stays(weights, tmp_path, name):
    write_movie(tmp_path / "clip.mp4")
    if name.endswith(".gz"):
        nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), tmp_path / name)
    else:
        (tmp_path / name).write_text("mine")
    before = (tmp_path / name).read_bytes()
    for options in ((), ("--overwrite",), ("--skip-existing",)):
        result = predict(weights, tmp_path, tmp_path, *options)
        assert result.returncode == 1 and "was not written by this tool" in result.stderr
    assert (tmp_path / name).read_bytes() == before and len(files_below(tmp_path)) == 2


def test_finished_clips_are_kept_as_long_as_nothing_changed(weights, tmp_path):
    clips, out = tmp_path / "clips", tmp_path / "out"
    write_movie(clips / "a.mp4")
    assert predict(weights, clips, out).returncode == 0
    first = (out / "a_masks.nii.gz").stat().st_mtime_ns
    write_movie(clips / "b.mp4", seed=5)
    again = predict(weights, clips, out)
    assert again.returncode == 0 and "2 of 2 clips" in again.stdout
    assert "1 existed already (--overwrite replaces them)" in again.stdout
    assert (out / "a_masks.nii.gz").stat().st_mtime_ns == first
    # Other settings: neither taken for the same nor replaced in silence.
    other = predict(weights, clips, out, "--no-crop")
    assert other.returncode == 1 and "0 of 2 clips" in other.stdout
    assert "--overwrite replaces it, --skip-existing keeps it" in other.stderr
    assert (out / "a_masks.nii.gz").stat().st_mtime_ns == first
    kept = predict(weights, clips, out, "--no-crop", "--skip-existing")
    assert kept.returncode == 0 and "2 existed already" in kept.stdout
    replaced = predict(weights, clips, out, "--no-crop", "--overwrite")
    assert replaced.returncode == 0 and "already" not in replaced.stdout
    assert (out / "a_masks.nii.gz").stat().st_mtime_ns > first
    # Another clip under the same name.
    write_movie(clips / "a.mp4", num_frames=4)
    changed = predict(weights, clips, out, "--no-crop")
    assert changed.returncode == 1 and "or the clip has changed" in changed.stderr
    assert f"not segmented: {clips / 'a.mp4'}" in changed.stderr


def test_a_film_that_is_missing_is_made_from_the_masks(weights, tmp_path):
    write_movie(tmp_path / "a.mp4")
    assert predict(weights, tmp_path / "a.mp4", tmp_path / "out").returncode == 0
    film = tmp_path / "out" / "a_overlay.mp4"
    content = film.read_bytes()
    film.unlink()
    again = predict(weights, tmp_path / "a.mp4", tmp_path / "out")
    assert again.returncode == 0 and "frame/s" not in again.stderr  # nothing is predicted
    assert film.read_bytes() == content


def test_a_black_clip_is_doubtful(weights, tmp_path):
    black = np.zeros((64, 48, 4), np.uint8)
    nibabel.save(nibabel.Nifti1Image(black, np.eye(4)), tmp_path / "a.nii.gz")
    for options in ((), ("--no-crop", "--overwrite")):
        result = predict(weights, tmp_path / "a.nii.gz", tmp_path / "out", *options)
        assert result.returncode == 0 and "1 of them doubtful" in result.stdout
        line = f"doubtful: {tmp_path / 'a.nii.gz'}: every frame is black"
        assert line in result.stderr


@pytest.mark.parametrize("size", [(3, 2000), (2000, 3)])
def test_a_thin_picture_does_not_end_the_batch(weights, tmp_path, size):
    rng = np.random.default_rng(0)
    (tmp_path / "clips" / "thin").mkdir(parents=True)
    picture = rng.integers(0, 255, size, dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "clips" / "thin" / "a.png"), picture)
    write_movie(tmp_path / "clips" / "z.mp4")
    result = predict(weights, tmp_path / "clips", tmp_path / "out")
    assert result.returncode == 0 and "2 of 2 clips" in result.stdout, result.stderr
    assert read_masks(tmp_path / "out" / "thin_masks.nii.gz").shape == (1, *size)
    with av.open(str(tmp_path / "out" / "thin_overlay.mp4")) as film:
        assert film.streams.video[0].frames == 1


def test_masks_lie_over_the_clip_in_a_viewer(weights, tmp_path):
    frames, discs = disc_clip(4)
    image = SimpleITK.GetImageFromArray(frames)
    image.SetSpacing((0.3, 0.4, 1.0))
    image.SetOrigin((10, -20, 5))
    image.SetDirection([0, -1, 0, 1, 0, 0, 0, 0, 1])
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    assert predict(weights, tmp_path / "a.mha", tmp_path / "out").returncode == 0
    masks = SimpleITK.ReadImage(str(tmp_path / "out" / "a_masks.nii.gz"))
    assert dice(SimpleITK.GetArrayFromImage(masks), discs) > 0.9

    def middle(mask, of):
        """Of a mask of frame 2, in the space of the image `of`."""
        row, column = np.argwhere(mask).mean(axis=0)
        return of.TransformContinuousIndexToPhysicalPoint((column, row, 2.0))

    predicted = middle(SimpleITK.GetArrayFromImage(masks)[2] == 1, masks)
    assert predicted == pytest.approx(middle(discs[2], image), abs=0.4)  # a pixel


def test_without_an_encoder_the_masks_are_there(weights, tmp_path, monkeypatch):
    write_movie(tmp_path / "a.mp4")
    # The command runs in a fork of this process, which sees a PyAV without the encoder.
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    result = predict(weights, tmp_path / "a.mp4", tmp_path / "out")
    assert result.returncode == 0 and not (tmp_path / "out" / "a_overlay.mp4").exists()
    assert f"note: {tmp_path / 'a.mp4'}: the film could not be made" in result.stderr
    monkeypatch.undo()
    assert predict(weights, tmp_path / "a.mp4", tmp_path / "out").returncode == 0
    assert files_below(tmp_path / "out") == [*(f"a_{kind}" for kind in KINDS), "measurements.csv"]


def test_a_run_is_enough(run, weights, tmp_path):
    write_movie(tmp_path / "clips" / "p1" / "z.mp4")
    tool, out = ROOT / "tools" / "predict.py", tmp_path / "out"
    words = ["--input", tmp_path / "clips", "--spacing-mm", 0.5, 0.4]
    for number, model in enumerate((["--run", run], ["--ensemble", run, run, "--tta"])):
        done = run_script(tool, [*model, *words, "--output", out / str(number)])
        assert done.returncode == 0, done.stderr
    facts = json.loads((out / "0" / "p1" / "z_measurements.json").read_text())
    masks = read_masks(out / "0" / "p1" / "z_masks.nii.gz")
    pixels = (masks == 1).sum(axis=(1, 2))
    assert facts["areas"]["left_ventricle"] == pytest.approx(pixels * 0.2)
    assert facts["model"] == str(run) and facts["spacing_mm"] == [0.5, 0.4]
    assert facts["fps"] == 12.5 and facts["file"] == str(tmp_path / "clips" / "p1" / "z.mp4")
    (line,) = csv.DictReader((out / "1" / "measurements.csv").read_text().splitlines())
    assert line["clip"] == "p1/z"
    assert line["model"] == " + ".join([f"{run} (test-time augmentation)"] * 2)
    nothing = run_script(tool, ["--run", tmp_path, *words, "--output", out])
    assert nothing.returncode == 1 and "is no run: it has no config.yaml" in nothing.stderr
    half = run_script(tool, ["--config-file", CONFIG, *words, "--output", out])
    assert half.returncode == 2 and "--config-file needs --weights FILE" in half.stderr


def test_results_of_an_earlier_version_are_measured(weights, tmp_path):
    """Its folders hold masks and films alone."""
    write_movie(tmp_path / "a.mp4")
    out = tmp_path / "out"
    assert predict(weights, tmp_path / "a.mp4", out).returncode == 0
    before = {name: (out / name).read_bytes() for name in files_below(out)}
    for name in ("a_measurements.json", "a_preview.png", "measurements.csv"):
        (out / name).unlink()
    again = predict(weights, tmp_path / "a.mp4", out)
    assert again.returncode == 0 and "frame/s" not in again.stderr  # nothing is predicted
    assert {name: (out / name).read_bytes() for name in files_below(out)} == before


def test_doubts_are_told_again_when_masks_are_kept(weights, tmp_path):
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((64, 48, 4), np.uint8), np.eye(4)), tmp_path / "a.nii"
    )
    for words in ("", "1 existed already"):
        done = predict(weights, tmp_path / "a.nii", tmp_path / "out")
        assert "1 of them doubtful" in done.stdout and words in done.stdout
        assert "doubtful: " in done.stderr and "every frame is black" in done.stderr


def test_a_table_that_is_not_ours_stops_before_anything_is_done(weights, tmp_path):
    write_movie(tmp_path / "a.mp4")
    (tmp_path / "measurements.csv").write_text("patient,age\n1,50\n")
    done = predict(weights, tmp_path / "a.mp4", tmp_path)
    assert done.returncode == 1 and "was not written by this tool" in done.stderr
    assert files_below(tmp_path) == ["a.mp4", "measurements.csv"]


def test_results_do_not_lie_among_the_frames(weights, tmp_path):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(disc_clip(2)[0]):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), frame)
    done = predict(weights, tmp_path / "frames", tmp_path / "frames")
    assert done.returncode == 1 and "would be read as frames: choose another" in done.stderr
    assert files_below(tmp_path) == ["frames/0.png", "frames/1.png"]
    done = predict(weights, tmp_path / "frames", tmp_path)
    assert done.returncode == 0 and (tmp_path / "frames_preview.png").is_file()
    again = predict(weights, tmp_path, tmp_path)  # the clip alone is found beside its results
    assert again.returncode == 0 and "1 of 1 clips" in again.stdout
