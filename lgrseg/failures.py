"""What a tool says of an error that must not end its other work."""

import os
import traceback


def describe_error(error: Exception) -> str:
    """One sentence; errors that were not written for users say what kind they are of.

    With LGRSEG_TRACEBACK in the environment it also prints where the error came from.
    """
    if os.environ.get("LGRSEG_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    first_line = f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")
    return f"{first_line[:160]} (LGRSEG_TRACEBACK=1 shows where)"
