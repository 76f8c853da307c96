"""lgrseg/visualization/overlays.py: overlays and files, read back."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lgrseg.visualization.overlays import (
    NoFilm,
    beside_input,
    overlay,
    panel_height,
    side_by_side,
    try_write_mp4,
    write_mp4,
    write_png,
)

LOOK = {"classes": ("left_ventricle", "left_atrium"), "colors": [(255, 0, 0), (0, 255, 0)]}


def square():
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 20:40] = 1
    return labels


def test_overlay_colours_only_the_structure():
    frame = np.full((40, 60), 100, np.uint8)
    picture = overlay(frame, square(), LOOK["colors"])
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[20, 30].tolist() == [138, 75, 75]  # a quarter red
    assert picture[10, 30, 0] > 200  # the outline
    assert (frame == 100).all()


def test_panels_have_even_sides():
    frame = np.zeros((41, 61), np.uint8)
    labels = np.zeros((41, 61), np.uint8)
    three = side_by_side(frame, None, labels, **LOOK, height=99)
    two = beside_input(frame, labels, **LOOK, height=99)
    assert three.shape[0] % 2 == three.shape[1] % 2 == two.shape[1] % 2 == 0
    assert two.shape[1] < three.shape[1]


def test_mp4_is_h264_that_browsers_play(tmp_path):
    frames = [side_by_side(square() * 9, square(), square(), **LOOK) for _ in range(5)]
    assert write_mp4(tmp_path / "new" / "a.mp4", iter(frames), fps=10) == 5
    with av.open(str(tmp_path / "new" / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(decoded) == 5
    assert np.abs(decoded[2].astype(int) - frames[2]).mean() < 4
    content = (tmp_path / "new" / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # starts before it is loaded
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_equal_pictures_give_equal_files(tmp_path):
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (5, 38, 48, 3), dtype=np.uint8)
    frames = tiles.repeat(9, axis=1).repeat(18, axis=2)[:, :342, :862]
    files = set()
    for size in (0, 1_000, 100_000, 3_000_000, 10_000_000):
        np.full(size, 77, np.uint8)  # other contents of freed memory
        write_mp4(tmp_path / "a.mp4", frames, fps=20)
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (30000 / 1001, Fraction(30000, 1001)),
        (29.97, Fraction(2997, 100)),
        (1000 / 33, Fraction(1000, 33)),
        (0.5, Fraction(1, 2)),
        (50.0, Fraction(50)),
    ],
)
def test_a_fractional_rate_is_kept(tmp_path, fps, rate):
    write_mp4(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 6, fps=fps)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == rate
        assert float(stream.duration * stream.time_base) == pytest.approx(6 / fps, rel=0.01)


@pytest.mark.parametrize(
    ("fps", "size", "told"),
    [
        (float("inf"), 16, "frames per second, not inf"),
        (float("nan"), 16, "not nan"),
        (0, 16, "not 0"),
        (20, 20000, "the encoder rejects"),
    ],
)
def test_a_film_that_cannot_be_made_leaves_nothing(tmp_path, fps, size, told):
    picture = np.zeros((2, size, 3), np.uint8)
    with pytest.raises(NoFilm, match=told):
        write_mp4(tmp_path / "a.mp4", [picture], fps=fps)
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_film_the_pictures_are_drawn_nevertheless(tmp_path):
    drawn = []

    def pictures():
        for index in range(3):
            drawn.append(index)
            yield np.zeros((16, 16, 3), np.uint8)

    why_not = try_write_mp4(tmp_path / "a.mp4", pictures(), fps=float("inf"))
    assert drawn == [0, 1, 2] and why_not.startswith("a.mp4 could not be written: the frame rate")
    assert try_write_mp4(tmp_path / "a.mp4", pictures(), fps=20) == ""
    assert (tmp_path / "a.mp4").is_file()


def test_wide_frames_have_low_panels():
    assert panel_height((600, 800)) == 320
    assert panel_height((3, 2000)) == 5  # 3333 pixels wide
    assert panel_height((1, 10_000)) == 1
    picture = beside_input(
        np.zeros((3, 2000), np.uint8),
        np.zeros((3, 2000), np.uint8),
        **LOOK,
        height=panel_height((3, 2000)),
    )
    assert picture.shape[1] <= 2 * 3840 + 4


def test_png(tmp_path):
    import cv2

    picture = overlay(
        np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8), [(200, 100, 0)], fill=1
    )
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], picture)
