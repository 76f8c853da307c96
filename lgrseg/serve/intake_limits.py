"""What an upload announces, compared with the limits before anything large is decoded."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path


class TooLarge(ValueError):
    """The clip is larger than this service accepts."""


@dataclass(frozen=True)
class Limits:
    """Limits of a decoded clip."""

    frames: int
    frame_pixels: int
    decoded_bytes: int

    def check(self, frames: int, height: int, width: int, *, samples: int = 1) -> None:
        """Check the size of a clip.

        Raises:
            TooLarge: it has too many frames, pixels or bytes.
        """
        if frames > self.frames:
            raise TooLarge(f"the clip has {frames} frames; at most {self.frames} are accepted")
        if height * width > self.frame_pixels:
            raise TooLarge(
                f"a frame has {width} x {height} pixels; at most {self.frame_pixels} are accepted"
            )
        if (size := frames * height * width * samples) > self.decoded_bytes:
            raise TooLarge(
                f"the clip has {size} bytes when it is decoded; at most {self.decoded_bytes} are "
                "accepted"
            )


def check_header(path: Path, kind: str, limits: Limits) -> None:
    """Check what the header of a file announces; a header that cannot be read is left to a reader.

    Raises:
        TooLarge: it announces more than is allowed.
    """
    try:
        frames, height, width, samples = HEADERS[kind](path)
    except Exception:  # every library has its own errors; the reader will say what is wrong
        return
    limits.check(frames, height, width, samples=samples)


def _dicom(path: Path) -> tuple[int, int, int, int]:
    from lgrseg.data.io.dicom_files import read_header

    header = read_header(path)
    samples = int(header.get("SamplesPerPixel") or 1)
    return int(header.get("NumberOfFrames") or 1), int(header.Rows), int(header.Columns), samples


def _nifti(path: Path) -> tuple[int, int, int, int]:
    import math

    from lgrseg.data.io.nifti import open_nifti

    image = open_nifti(path)
    width, height, *rest = image.shape
    samples = image.get_data_dtype().itemsize
    colours = 3 if len(rest) > 1 and rest[-1] == 3 else 1
    return math.prod(rest) // colours, height, width, max(1, samples // 8) * colours


def _metaimage(path: Path) -> tuple[int, int, int, int]:
    import math

    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    width, height, *rest = reader.GetSize()
    return math.prod(rest), height, width, reader.GetNumberOfComponents()


def _movie(path: Path) -> tuple[int, int, int, int]:
    import av

    options = {"protocol_whitelist": "file"}
    with av.open(str(path), options=options) as container:
        stream = container.streams.video[0]
        return stream.frames, stream.height, stream.width, 3


def _webp(path: Path) -> tuple[int, int, int, int]:
    """Read the blocks of the file; opening it would already allocate the whole canvas."""
    frames, canvas = 0, (0, 0)
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"VP8X":
                content = file.read(10)
                width, height = (int.from_bytes(content[at : at + 3], "little") for at in (4, 7))
                canvas = height + 1, width + 1
                file.seek(-10, os.SEEK_CUR)
            frames += name == b"ANMF"
            file.seek(size + size % 2, os.SEEK_CUR)
    return max(1, frames), *canvas, 3


def _picture(path: Path) -> tuple[int, int, int, int]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    with Image.open(path) as image:
        return getattr(image, "n_frames", 1), image.height, image.width, len(image.getbands())


HEADERS = {
    "dicom": _dicom,
    "nifti": _nifti,
    "nifti_gz": _nifti,
    "metaimage": _metaimage,
    "mp4": _movie,
    "avi": _movie,
    "matroska": _movie,
    "tiff": _picture,
    "gif": _picture,
    "webp": _webp,
    "still": _picture,
}


def unpack_images(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack the images of a zip file under numbers as names, in the order of their own names.

    Raises:
        TooLarge: there are too many images, or a frame is too large.
        ValueError: the archive is damaged, or has no images.
    """
    from lgrseg.data.io.stills import IMAGES, natural_order
    from lgrseg.serve.formats import format_of

    left = limits.decoded_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir()
                and Path(entry.filename).suffix.lower() in IMAGES
                and Path(entry.filename).name[0] != "."
            ]
            if not entries:
                raise ValueError(f"the zip file has no images ({', '.join(IMAGES)})")
            limits.check(len(entries), 1, 1)
            entries.sort(key=lambda entry: natural_order(Path(entry.filename)))
            for number, entry in enumerate(entries):
                target = folder / f"{number:05d}"
                with archive.open(entry) as source, target.open("wb") as file:
                    while chunk := source.read(2**20):
                        left -= len(chunk)
                        if left < 0:
                            raise TooLarge(
                                f"the images of the zip file have more than {limits.decoded_bytes} "
                                "bytes"
                            )
                        file.write(chunk)
                kind, ending = format_of(target)
                if kind not in ("still", "tiff", "gif", "webp"):
                    raise ValueError(f"image {number + 1} of the zip file is no image")
                check_header(target, kind, limits)
                target.rename(target.with_suffix(ending))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"the zip file is damaged, encrypted or of an unknown kind: {error}"
        ) from error
