"""lgrseg/data/io/mask_images.py: the right pixels, or a refusal; never an empty mask in silence."""

import numpy as np
import pytest
from PIL import Image

from lgrseg.data.io.mask_images import read_mask_image
from lgrseg.data.raw_video import UnusableVideo

SIZE = (20, 30)


@pytest.fixture
def read(tmp_path):
    """`read(image, num_classes)` -> mask and notes, by way of a file beside a plain picture."""
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.jpg")

    def read(image, num_classes=1, *, kind="png", **settings):
        file = tmp_path / f"mask.{kind}"
        image.save(file)
        notes = []
        mask = read_mask_image(
            file, num_classes, picture=tmp_path / "a.jpg", shown=SIZE, notes=notes, **settings
        )
        return mask, notes

    return read


def boxes(*values, dtype=np.uint8):
    """One box of 4 x 5 pixels for every value, side by side, on 0."""
    array = np.zeros(SIZE, dtype)
    for place, value in enumerate(values):
        array[3:7, 6 * place : 6 * place + 5] = value
    return array


def palette(array, *colours):
    image = Image.fromarray(array).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([part for colour in colours for part in colour])
    return image


BLACK, RED, GREEN, WHITE = (0, 0, 0), (128, 0, 0), (0, 128, 0), (255, 255, 255)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(boxes(1)),
        Image.fromarray(boxes(255)),
        Image.fromarray(boxes(255) > 0),
        Image.fromarray(boxes(65535, dtype=np.uint16)),
        Image.fromarray(boxes(255)).convert("RGB"),
        Image.fromarray(boxes(255)).convert("RGBA"),
        palette(boxes(1), BLACK, RED),
        palette(boxes(255), *[BLACK] * 255, WHITE),
        palette(1 - boxes(1), RED, BLACK),  # the background has the number 1
        Image.merge("RGB", [Image.fromarray(boxes(v)) for v in (38, 0, 0)]),  # a dark red
    ],
    ids=lambda image: image.mode,
)
def test_all_ways_to_write_one_structure(read, image):
    mask, notes = read(image)
    assert mask.dtype == np.uint8 and np.array_equal(mask, boxes(1)) and not notes


def test_another_single_value_is_told(read):
    mask, notes = read(Image.fromarray(boxes(7)))
    assert np.array_equal(mask, boxes(1))
    assert "the value 7, the only one besides 0, is the structure" in notes[0]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_cut_in_the_middle(read, mode):
    square = np.zeros(SIZE, np.uint8)
    square[4:16, 8:24] = 255
    mask, _ = read(Image.fromarray(square).convert(mode), kind="jpg")
    assert np.array_equal(mask, square // 255)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image.fromarray(boxes(1, 2)), "has the values 0, 1, 2; with one class"),
        (Image.fromarray(boxes(1, 255)), "has the values 0, 1, 255"),
        (Image.fromarray(boxes(127, 255)), "has the values 0, 127, 255"),
        (palette(boxes(1, 2), BLACK, RED, GREEN), "has the values 0, 1, 2"),
        (palette(2 - boxes(2, 1), RED, GREEN, BLACK), "has black at number 2"),
        (palette(boxes(0), WHITE), "has only one colour, (255, 255, 255)"),
        (
            Image.merge("RGB", [Image.fromarray(b) for b in (boxes(9, 0), boxes(0, 9), boxes(0))]),
            "has several colours",
        ),
        (
            Image.merge("RGB", [Image.fromarray(255 - boxes(v)) for v in (0, 255, 255)]),
            "has no black background",
        ),
        (
            Image.merge("LA", [Image.fromarray(boxes(0)), Image.fromarray(boxes(255))]),
            "is black on a transparent background",
        ),
        (Image.fromarray(boxes(1)[:, :-1]), "mask.png has size (20, 29), its image (20, 30)"),
    ],
)
def test_what_is_not_certain_is_refused(read, image, why):
    with pytest.raises(UnusableVideo) as caught:
        read(image)
    assert why in str(caught.value)


def test_several_numbers_may_be_objects_of_one_class(read):
    for image in (Image.fromarray(boxes(1, 2)), palette(boxes(1, 2), BLACK, RED, GREEN)):
        mask, _ = read(image, numbers_objects=True)
        assert np.array_equal(mask, boxes(1, 1))
    with pytest.raises(UnusableVideo, match="0, 1, 255"):
        read(Image.fromarray(boxes(1, 255)), numbers_objects=True)


def test_several_classes_are_numbers(read):
    for image in (Image.fromarray(boxes(1, 3)), palette(boxes(1, 3), BLACK, RED, GREEN, WHITE)):
        assert np.array_equal(read(image, 3)[0], boxes(1, 3))
    coloured = Image.merge("RGB", [Image.fromarray(boxes(v)) for v in (38, 0, 0)])
    for image, held in ((Image.fromarray(boxes(1, 255)), "0, 1, 255"), (coloured, "colours")):
        with pytest.raises(UnusableVideo, match=f"{held}; with 3 classes the values must be"):
            read(image, 3)


def test_files_that_are_no_mask(read, tmp_path):
    floats = boxes(1).astype(np.float32) / 2
    with pytest.raises(UnusableVideo, match=r"has the values 0, 0.5; they must be whole numbers"):
        read(Image.fromarray(floats), kind="tif")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(UnusableVideo, match=r"cut.png is not an image"):
        read_mask_image(tmp_path / "cut.png", 1, picture=tmp_path / "a.jpg", shown=SIZE, notes=[])
