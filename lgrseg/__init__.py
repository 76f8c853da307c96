"""lgrseg: segmentation of cardiac ultrasound video."""

__version__ = "0.1.0"
