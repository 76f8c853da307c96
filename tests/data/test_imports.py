"""What importing a part of the package loads: data needs neither models nor the engine."""

import pytest
from loaded_modules import modules_after

HEAVY = ("lgrseg.engine", "lgrseg.modeling", "lgrseg.ops", "lgrseg.evaluation", "triton")


@pytest.mark.parametrize("module", ["lgrseg", "lgrseg.config", "lgrseg.data"])
def test_what_it_loads(module):
    loaded = modules_after(module)
    assert module in loaded
    assert not [name for name in loaded if name.startswith((*HEAVY, "transformers"))]
    assert module == "lgrseg.data" or "torch" not in loaded
