"""Messages of errors: of those that end a tool, and of those that must not stop its other work."""

import os
import traceback


def describe_error(error: Exception) -> str:
    """Describe an error in one sentence, with its type if it was not written for users.

    With LGRSEG_TRACEBACK in the environment the traceback is printed too.
    """
    if os.environ.get("LGRSEG_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    first_line = f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")
    return f"{first_line[:160]} (LGRSEG_TRACEBACK=1 shows where)"


def message_of(error: Exception) -> str:
    """The sentence of an error that was written for users; str() would put a KeyError in quotes."""
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)
