"""Compile every kernel for a GPU that is not there, and print the names.

python tests/ops/compile_kernels.py 90 float32 bfloat16
"""

import importlib
import sys

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from lgrseg.studies.benchmarks.kernel_check import CASES

NAMES = ("deformable attention, softmax", "scan, both ways", "neighbourhood", "point sampling")


class Absent:
    """A driver that knows a GPU's target and nothing else."""

    def __init__(self, capability: int):
        self.capability = capability

    def get_current_target(self):
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device=None):
        return 0


def compile_only(built: dict) -> None:
    run = JITFunction.run

    def compile_instead(self, *arguments, grid, warmup=False, **options):
        kernel = run(self, *arguments, grid=grid, warmup=True, **options)
        operation = self.fn.__module__.rsplit(".", 1)[-1].removesuffix("_kernel")
        built[operation + self.fn.__name__] = kernel.asm["cubin"]
        return kernel

    JITFunction.run = compile_instead


def main() -> None:
    capability, built = int(sys.argv[1]), {}
    driver.set_active(Absent(capability))
    compile_only(built)
    for case in (case for case in CASES if case.name in NAMES):
        module = importlib.import_module(case.function.__module__ + "_kernel")
        for kind in (getattr(torch, name) for name in sys.argv[2:]):
            given = [
                tensor if name in case.places else tensor.to(kind)
                for name, tensor in case.tensors().items()
            ]
            call(case, module, given)
    assert all(built.values())
    print(*built)


def call(case, module, given) -> None:
    """Forward and backward, as the operation calls them; what they compute is never read."""
    options = [list(o) if isinstance(o, tuple) else o for o in case.options.values()]
    if "shapes" in case.options:
        flat = [side for shape in case.options["shapes"] for side in shape]
        given = [given[0], flat, *given[1:], case.function.__name__.endswith("softmax")]
    else:
        given = [*given, *options]
    result, kept = module.forward(*given)
    module.backward(torch.zeros_like(result), result, kept, *given)


main()
