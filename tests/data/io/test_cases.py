"""The files of shared/cases/io, found in the field: each read as its README says is right."""

import numpy as np
import pytest

from lgrseg.data.io import read_video


@pytest.fixture
def read(shared, monkeypatch, request):
    """`read(name)` gives the clip and its frames, read whole or frame by frame."""
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", request.param)

    def read_case(name):
        file = shared / "cases" / "io" / name
        if not file.exists():
            pytest.skip(f"no {file}")
        video = read_video(file)
        return video, np.asarray(video.frames)

    return read_case


both_ways = pytest.mark.parametrize("read", [2**29, 1], indirect=True, ids=["whole", "lazy"])


@both_ways
@pytest.mark.parametrize(
    ("name", "shape", "mean", "spacing", "fps"),
    [
        ("zero_delta.dcm", (6, 96, 128), 29.49, None, 30.03),
        ("frametime_tiny.dcm", (6, 96, 128), 29.49, None, None),
        ("inset_first.dcm", (6, 96, 128), 29.49, 0.5, 30.03),
        ("mono1_jpegls.dcm", (6, 96, 128), 29.49, None, None),
        ("mono1_plain.dcm", (6, 96, 128), 29.49, None, None),
        ("jpegls_missing_frames.dcm", (6, 96, 128), 255 - 29.49, None, None),
        ("x_y_1_t.mha", (6, 96, 128), 29.49, 1, None),
        ("metres.nii.gz", (6, 96, 128), 29.49, 0.3, None),
        ("float_0_1.004.nii.gz", (6, 96, 128), 31.73, 0.3, None),
        ("x_y_1_3.nii.gz", (3, 96, 128), 28.99, 0.3, None),
        ("n05_png12", (4, 96, 128), 32.58, None, None),
        ("rot90.mp4", (8, 96, 128), 29.02, None, 20),
        ("cut.mp4", (20, 96, 128), 29.21, None, 20),
    ],
)
def test_right_value(read, name, shape, mean, spacing, fps):
    video, frames = read(name)
    assert frames.shape == shape and frames.mean() == pytest.approx(mean, abs=0.01)
    found = video.spacing_mm and video.spacing_mm[0]
    assert found == (spacing and pytest.approx(spacing, rel=1e-4))
    assert video.fps == (fps and pytest.approx(fps, rel=1e-3))
    assert not video.doubts


@both_ways
def test_what_was_left_out_is_told(read):
    assert "of 0 x 0 mm per pixel is not plausible" in " ".join(read("zero_delta.dcm")[0].notes)
    assert "FrameTime of 1e-310 ms" in " ".join(read("frametime_tiny.dcm")[0].notes)
    assert "holds 6 frames" in " ".join(read("jpegls_missing_frames.dcm")[0].notes)
    assert "rotated" in " ".join(read("rot90.mp4")[0].notes)
    assert read("float_0_1.004.nii.gz")[1].max() == read("n05_png12")[1].max() == 255
