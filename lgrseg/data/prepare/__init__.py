"""Prepares raw videos: crops them to the fan, checks and hashes them, and writes the store."""

from lgrseg.data.prepare.pipeline import prepare, prepare_video
from lgrseg.data.prepare.report import print_report

__all__ = ["prepare", "prepare_video", "print_report"]
