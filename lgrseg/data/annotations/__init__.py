"""Files with the annotations of clips; each kind of file has a module here.

| file | module |
|---|---|
| NIfTI and MetaImage masks | volumes.py |
| 3D Slicer's .seg.nrrd, NRRD masks | slicer.py |
| images, one per frame, with numbers or colours | mask_frames.py |
| CVAT's XML 1.1 for video and images | cvat.py |
| COCO of frames, COCO of videos (YouTube-VIS) | coco.py |
| LabelMe's JSON, one file per frame | labelme.py |
| DICOM SEG | dicom_seg.py |

`find_annotations` finds the files of each clip, and `read_annotation` reads its masks.
"""

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation
from lgrseg.data.annotations.finding import ClipAndLabels, find_annotations
from lgrseg.data.annotations.kinds import read_annotation

__all__ = ["AnnotatedClip", "Annotation", "ClipAndLabels", "find_annotations", "read_annotation"]
