"""Reads clips of all usual file formats: `read_video(path)`.

| file | frames | spacing and rate from |
|---|---|---|
| .nii, .nii.gz | axes (x, y, t), (x, y, 1, t), (x, y, t, 3) | pixdim, in the header's unit |
| .mhd, .mha | the same | ElementSpacing |
| .mp4, .avi, .mov, .mkv | what a player shows, upright | rate of the stream; no spacing |
| DICOM of any name | all that the file holds | regions, PixelSpacing; FrameTime, CineRate |
| folder of .png, .jpg, .tif, .webp | files in natural order, upright | nothing |
| .tif with many pages | pages | nothing |
| .gif, .webp with many frames | what a viewer shows | mean time of a frame; no spacing |

An implausible spacing or frame rate is ignored, with a note.
"""

from lgrseg.data.io.grey_values import to_uint8
from lgrseg.data.io.lazy_frames import LazyFrames, crop_frames
from lgrseg.data.io.nifti import read_nifti
from lgrseg.data.io.reading import is_readable, read_video
from lgrseg.data.io.stills import IMAGES, image_files
from lgrseg.data.io.video import UnreadableFile, Video

__all__ = [
    "IMAGES",
    "LazyFrames",
    "UnreadableFile",
    "Video",
    "crop_frames",
    "image_files",
    "is_readable",
    "read_nifti",
    "read_video",
    "to_uint8",
]
