"""What importing a part of the package loads: data needs neither models nor the engine."""

import subprocess
import sys

import pytest

HEAVY = ("lgrseg.engine", "lgrseg.modeling", "lgrseg.ops", "lgrseg.evaluation", "triton")


@pytest.mark.parametrize("module", ["lgrseg", "lgrseg.config", "lgrseg.data"])
def test_what_it_loads(module):
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = done.stdout.split()
    assert module in loaded, done.stderr
    assert not [name for name in loaded if name.startswith((*HEAVY, "transformers"))]
    assert module == "lgrseg.data" or "torch" not in loaded
