"""lgrseg/video.py: overlays and files, read back."""

import av
import numpy as np

from lgrseg.video import beside_input, overlay, side_by_side, write_mp4, write_png

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


def test_png(tmp_path):
    import cv2

    picture = overlay(
        np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8), [(200, 100, 0)], fill=1
    )
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], picture)
