"""Threads wait briefly for each other, unless the user or an earlier import has decided."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def runtime():
    """The OpenMP runtime of torch's wheel."""
    lib = Path(importlib.util.find_spec("torch").origin).parent / "lib"
    for path in lib.glob("libgomp*"):
        return path
    pytest.skip(f"no GNU OpenMP runtime in {lib}")


def shown(runtime, code, **variables):
    """What the runtime says of its settings when it is loaded after `code`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; import ctypes; ctypes.CDLL({str(runtime)!r})"],
        env=environment | variables | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return ended.stderr


def test_the_runtime_takes_it(runtime):
    assert "GOMP_SPINCOUNT = '1000'" in shown(runtime, "import lgrseg")
    assert "GOMP_SPINCOUNT = '1000'" not in shown(runtime, "pass")


def test_what_the_user_has_set_stays(runtime):
    assert "GOMP_SPINCOUNT = '7'" in shown(runtime, "import lgrseg", GOMP_SPINCOUNT="7")
    told = shown(runtime, "import lgrseg", OMP_WAIT_POLICY="ACTIVE")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in told and "GOMP_SPINCOUNT = '1000'" not in told


def test_a_program_that_has_loaded_torch_keeps_its_environment(runtime):
    code = (
        "import sys; sys.modules['torch'] = sys; import lgrseg"  # what counts is that it is there
    )
    assert "GOMP_SPINCOUNT = '1000'" not in shown(runtime, code)
