"""Ends a process of the service when its supervisor has ended."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Let the system send a signal to this process when its parent ends (Linux).

    Args:
        parent: process number that the parent gave. It may have ended before this call, and then
            no signal would ever come.
        number: signal to be sent.

    Raises:
        SystemExit: the parent has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit(1)
