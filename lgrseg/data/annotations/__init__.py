"""Files that say what the frames of a clip show: each kind of file has a module here.

| file | module |
|---|---|
| NIfTI and MetaImage masks | volumes.py |
| 3D Slicer's .seg.nrrd, NRRD masks | slicer.py |
| images, one a frame, numbers or colours | mask_frames.py |
| CVAT's XML 1.1 for video and images | cvat.py |
| COCO of frames, COCO of videos (YouTube-VIS) | coco.py |
| LabelMe's JSON, one a frame | labelme.py |
| DICOM SEG | dicom_seg.py |

`find_annotations` says which files belong to which clip, `read_annotation` draws the masks.
"""

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation
from lgrseg.data.annotations.finding import ClipAndLabels, find_annotations
from lgrseg.data.annotations.kinds import read_annotation

__all__ = ["AnnotatedClip", "Annotation", "ClipAndLabels", "find_annotations", "read_annotation"]
