"""Why a job failed, and what follows from it."""

import errno

import pytest

from lgrseg.serve.blobs import DiskFull
from lgrseg.serve.reasons import explain
from lgrseg.structures.box_prompts import PromptError


@pytest.mark.parametrize(
    ("error", "code", "again", "replace"),
    [
        (MemoryError(), "out_of_memory", True, True),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out_of_memory", True, True),
        (OSError(errno.ENOSPC, "No space left"), "disk_full", False, False),
        (DiskFull("full"), "disk_full", False, False),
        (PromptError("box outside"), "bad_boxes", False, False),
        (FileNotFoundError(errno.ENOENT, "/data/Jane"), "internal", False, False),
        (OSError("cannot identify Jane"), "internal", False, False),
        (KeyError("x"), "internal", False, False),
    ],
)
def test_reasons(error, code, again, replace):
    problem, *rest = explain(error)
    assert problem["code"] == code and rest == [again, replace] and "Jane" not in problem["detail"]
