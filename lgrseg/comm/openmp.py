"""Sets how torch's threads wait for each other on a CPU that other programs use too.

After every parallel part of an operation the threads wait for the last one. GNU's OpenMP runtime,
which is part of torch's Linux wheels, lets them spin for milliseconds. This is best if each thread
has its own core. Otherwise it is very slow, because spinning threads occupy the core that the last
thread needs. The runtime spins only briefly (1000 turns) if a program has more threads than there
are cores, but it does not consider other programs. So 1000 turns are set in all cases.

Rough measurements on two cores that other programs used too. A training step of LGRNet on a nearly
idle machine: 0.66 s by default, 0.69 s with 1000 turns, 0.95 s with 0 turns (medians of three). 60
small layers beside 11 to 16 other processes: by default 12.7 s once and more than 60 s four times,
0.09 to 0.58 s with 1000 turns, 0.03 to 0.38 s with 0 turns.

The runtime reads the variable only once, when torch is imported.
"""

import os
import sys

SPIN_COUNT = "1000"
OF_THE_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""If the user set one of these variables, it is respected."""


def wait_briefly() -> None:
    """Let waiting threads release their core soon, unless torch is imported or the user decided."""
    if "torch" not in sys.modules and not any(name in os.environ for name in OF_THE_USER):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
