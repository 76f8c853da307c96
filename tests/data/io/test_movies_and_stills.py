"""lgrseg/data/io/movies.py, stills.py: frames as a player or viewer shows them."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from lgrseg.data.io import UnreadableFile, is_readable, read_video
from lgrseg.data.io.orientation import orientation, upright
from lgrseg.data.io.stills import image_files, read_still


def corners(count=6):
    """RGB 32 x 48, black but for a bright corner at the upper left and a grey one at its right."""
    pictures = np.zeros((count, 32, 48, 3), np.uint8)
    pictures[:, :16, :16] = 220
    pictures[:, :16, 32:] = 110
    return pictures


def film(path, pictures, *, codec="libx264", rotation=0, rate=25, aspect=Fraction(1)):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, width=48, height=32, pix_fmt="yuv420p")
        stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("whole", [2**29, 1])
def test_a_turned_film_is_upright(tmp_path, suffix, rotation, whole, monkeypatch):
    """`rotation` is anticlockwise, as the container means it."""
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", whole)
    film(tmp_path / f"a.{suffix}", corners(), rotation=rotation)
    video = read_video(tmp_path / f"a.{suffix}")
    right = np.rot90(corners(), rotation // 90, axes=(1, 2))[..., 0]
    frames = np.asarray(video.frames).reshape(*right.shape, -1)[..., 0].astype(int)
    assert np.abs(frames - right).mean() < 8
    assert any("rotated" in note for note in video.notes) == bool(rotation)


@pytest.mark.parametrize("codec", ["mpeg4", "ffv1", "libx264"])
def test_frames_of_other_coders(tmp_path, codec):
    film(tmp_path / "a.mkv", corners(), codec=codec)
    frames = np.asarray(read_video(tmp_path / "a.mkv").frames)
    assert len(frames) == 6
    assert np.abs(frames.reshape(6, 32, 48, -1)[..., 0].astype(int) - corners()[..., 0]).mean() < 8


def test_a_movie_that_was_cut_off(tmp_path):
    film(tmp_path / "a.mp4", corners())
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFile, match="a.mp4 has no pictures: it is damaged or was cut off"):
        read_video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(b"no movie")
    with pytest.raises(UnreadableFile) as caught:
        read_video(tmp_path / "a.mp4")
    assert str(caught.value) == "a.mp4 cannot be read: Invalid data found when processing input"


@pytest.mark.parametrize(("aspect", "is_noted"), [(Fraction(3, 2), True), (Fraction(1), False)])
def test_pixels_that_are_not_square_are_noted(tmp_path, aspect, is_noted):
    film(tmp_path / "a.mp4", corners(), aspect=aspect)
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape[1:3] == (32, 48)
    assert ("pixels are 1.5 times as wide as high" in " ".join(video.notes)) == is_noted


def test_a_rate_that_cannot_be(tmp_path):
    film(tmp_path / "a.avi", corners(), codec="mpeg4", rate=Fraction(1, 30))
    video = read_video(tmp_path / "a.avi")
    assert video.fps is None and "frames per second (allowed are 1 to 1000)" in " ".join(
        video.notes
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("number", range(1, 9))
def test_exif_turns_a_still_and_its_mask_can_follow(tmp_path, suffix, number):
    stored = corners(1)[0]
    file = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = number
    Image.fromarray(stored).save(file, exif=exif)
    with Image.open(file) as image:
        right = np.asarray(ImageOps.exif_transpose(image))
    picture = read_still(file)
    assert picture.shape == right.shape and np.abs(picture.astype(int) - right).max() < 40
    assert orientation(file) == number
    mask = upright((stored[..., 0] > 150).astype(np.uint8), number)
    assert np.array_equal(mask, picture[..., 0] > 150)
    video = read_video(tmp_path)
    assert video.frames.shape[1:3] == right.shape[:2]
    assert any("turned upright as EXIF says" in note for note in video.notes) == (number != 1)


def test_pages_of_a_tiff_are_frames(tmp_path):
    pages = [np.full((8, 9), 40 * number, np.uint8) for number in range(5)]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    assert is_readable(tmp_path / "a.tif")
    for path in (tmp_path / "a.tif", tmp_path):
        assert np.array_equal(read_video(path).frames, pages)
    cv2.imwrite(str(tmp_path / "b.png"), pages[0])
    assert image_files(tmp_path)[1].name == "b.png"
    with pytest.raises(UnreadableFile, match="a.tif has 5 pages beside 1 other images"):
        read_video(tmp_path)
    cv2.imwrite(str(tmp_path / "single.tif"), pages[1])
    assert not is_readable(tmp_path / "single.tif")


def test_16_bit_stills_share_a_scale(tmp_path):
    for number, high in enumerate((4095, 1000)):
        ramp = np.linspace(0, high, 600).reshape(20, 30).astype(np.uint16)
        cv2.imwrite(str(tmp_path / f"{number}.png"), ramp)
    frames = read_video(tmp_path).frames
    assert frames[0].max() == 255 and frames[1].max() == round(1000 / 4095 * 255)


def test_stills_of_another_size_or_depth(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 9), np.uint8))
    for other in (np.zeros((9, 8), np.uint8), np.zeros((8, 9), np.uint16)):
        cv2.imwrite(str(tmp_path / "1.png"), other)
        with pytest.raises(UnreadableFile, match="differ in size or depth: the first is"):
            read_video(tmp_path)


def test_grey_and_coloured_stills_are_one_clip(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.full((8, 9), 7, np.uint8))
    cv2.imwrite(str(tmp_path / "1.png"), np.full((8, 9, 3), (0, 0, 200), np.uint8))
    frames = read_video(tmp_path).frames
    assert frames.shape == (2, 8, 9, 3)
    assert frames[0, 0, 0].tolist() == [7, 7, 7] and frames[1, 0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize("name", ["a.jpg", "a.gif", "a.webp", "turned.tif"])
def test_a_still_that_was_cut_is_refused_and_never_filled_with_grey(tmp_path, name):
    path, exif = tmp_path / name, Image.Exif()
    exif[274] = 6 if name == "turned.tif" else 1
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    whole = path.read_bytes()
    assert read_still(path).shape == ((30, 40, 3) if name == "turned.tif" else (40, 30, 3))
    for share in (0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableFile, match=name):
            read_still(path)


def test_why_a_still_cannot_be_read(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    for name, reason in (
        ("empty", "is empty"), ("text", "is not an image"), ("link", "is a link to a missing file"),
    ):  # fmt: skip
        with pytest.raises(UnreadableFile, match=f"{tmp_path.name}/{name}.png {reason}"):
            read_still(tmp_path / f"{name}.png")


def test_a_jpeg_with_bytes_behind_its_end_is_whole(tmp_path):
    path = tmp_path / "a.jpeg"
    cv2.imwrite(str(path), corners(1)[0])
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert read_still(path).shape == (32, 48, 3)
