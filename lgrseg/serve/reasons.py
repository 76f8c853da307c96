"""Why a job failed, and what follows from it."""

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the errors of a disk without space; everything that is written then fails."""


def explain(error: Exception) -> tuple[dict[str, str], bool, bool]:
    """Describe why a job failed.

    Returns:
        The problem, whether the job may succeed if it is tried again, and whether this process must
        be replaced.
    """
    from lgrseg.structures.box_prompts import PromptError

    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        detail = "the clip needs more memory than the machine has; send a shorter or smaller clip"
        return {"code": "out_of_memory", "title": "Out of memory", "detail": detail}, True, True
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        detail = "the disk of the service is full; nothing of earlier results is lost"
        return {"code": "disk_full", "title": "The disk is full", "detail": detail}, False, False
    if isinstance(error, PromptError):
        return {"code": "bad_boxes", "title": "Boxes are not usable", "detail": text}, False, False
    detail = f"an error of the service ({type(error).__name__}); its log has the time of it"
    return {"code": "internal", "title": "Internal error", "detail": detail}, False, False
