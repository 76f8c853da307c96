"""Raw videos become a store: cropped to the fan, checked, hashed, in several processes."""

from lgrseg.data.prepare.pipeline import prepare, prepare_video
from lgrseg.data.prepare.report import print_report

__all__ = ["prepare", "prepare_video", "print_report"]
