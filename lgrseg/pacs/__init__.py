"""DICOM over a network: clips come in from a PACS or scanner, segmentations and reports go back."""
