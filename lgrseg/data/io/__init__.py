"""Reading a clip of any usual file format: `read_video(path)`.

| file | axes in the file | spacing and rate from |
|---|---|---|
| .nii, .nii.gz | (x, y, t) | header zooms |
| .mhd, .mha | (t, y, x) as SimpleITK gives it | header |
| .mp4, .avi, .mov, .mkv | frames | rate of the stream; no spacing |
| .dcm | frames | PixelSpacing or SequenceOfUltrasoundRegions; FrameTime(Vector), CineRate |
| folder of .png, .jpg | files in natural order | nothing |
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
