"""lgrseg: segmentation of cardiac ultrasound video."""

from lgrseg.comm.openmp import wait_briefly

__version__ = "0.1.0"

wait_briefly()  # before torch is loaded, so that nothing but this moment will do
