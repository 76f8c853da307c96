"""MetaImage files (.mhd with its .raw, .mha)."""

from pathlib import Path

from lgrseg.data.io.grey_values import one_channel_if_grey, to_uint8
from lgrseg.data.io.video import Video

METAIMAGES = (".mhd", ".mha")


def read_metaimage(path: Path) -> Video:
    """A MetaImage file as a clip."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    frames = SimpleITK.GetArrayFromImage(image)
    if image.GetDimension() == 2:
        frames = frames[None]
    column, row = image.GetSpacing()[:2]
    return Video(one_channel_if_grey(to_uint8(frames)), (float(row), float(column)))
