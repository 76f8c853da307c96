"""How torch's threads wait for each other on a CPU that other programs use, too.

After every parallel part of an operation the threads meet. GNU's OpenMP runtime, which torch's
wheels for Linux hold, lets the first ones spin there for milliseconds: best where each thread has a
core of its own, and a catastrophe where not, since those that spin keep the late one from its core.
The runtime itself spins shortly (1000 turns) where a program has more threads than there are cores;
of other programs it knows nothing. So that is set for every case.

Measured on two cores that other programs used too, so these figures are rough: a training step of
LGRNet on a nearly idle machine 0.66 s as the runtime has it, 0.69 s with 1000 turns, 0.95 s with
none (medians of three, in turns); 60 small layers with 11 to 16 other processes running 12.7 s once
and not within 60 s four times, 0.09 to 0.58 s with 1000 turns, 0.03 to 0.38 s with none.

The variable is read when the runtime is loaded, so with torch, and not again.
"""

import os
import sys

SPIN_COUNT = "1000"
OF_THE_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Who set one of these has decided how threads wait."""


def wait_briefly() -> None:
    """Let threads give their core up soon, where torch is not loaded yet and nobody has decided."""
    if "torch" not in sys.modules and not any(name in os.environ for name in OF_THE_USER):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
