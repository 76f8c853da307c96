"""Which version of an operation runs, and how torch comes to know it as one operation.

Every operation has a reference in plain torch (its specification, which trains) and a Triton kernel
with a backward pass of its own. On CUDA the kernel runs where Triton is installed, elsewhere the
reference; `LGRSEG_KERNELS=reference|triton|auto`, or the argument `kernels`, forces either.
"""

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

VARIABLE = "LGRSEG_KERNELS"
CHOICES = ("auto", "reference", "triton")
KERNEL_TYPES = (torch.float32, torch.bfloat16, torch.float16)


def chosen(tensor: Tensor, kernels: str | None = None) -> str:
    """Which version of an operation on `tensor` runs: "triton", "reference" or, in torch, "auto".

    Args:
        tensor: the operation's main input; its device and type decide under "auto".
        kernels: "auto", "reference" or "triton"; None asks the variable LGRSEG_KERNELS.

    Raises:
        ValueError: another word.
        RuntimeError: "triton", where it cannot run; says why.
    """
    asked = kernels or os.environ.get(VARIABLE) or "auto"
    if asked not in CHOICES:
        source = "kernels" if kernels else VARIABLE
        raise ValueError(f"{source} is one of {', '.join(CHOICES)}, not {asked!r}")
    if asked == "reference" or (asked == "auto" and tensor.device.type != "cuda"):
        return asked
    obstacle = _obstacle(tensor)
    if asked == "triton" and obstacle:
        raise RuntimeError(f"a Triton kernel was asked for, but {obstacle}")
    return asked if obstacle else "triton"


def _obstacle(tensor: Tensor) -> str | None:
    if not triton_installed():
        return "Triton is not installed: pip install triton (Linux)"
    if tensor.dtype not in KERNEL_TYPES:
        names = ", ".join(str(kind).removeprefix("torch.") for kind in KERNEL_TYPES)
        return f"the kernels compute in {names}, not in {tensor.dtype}"
    if tensor.device.type != "cuda" and not interpreting():
        return (
            f"the tensors are on {tensor.device.type}: move them to cuda, or set "
            "TRITON_INTERPRET=1 before the first kernel, which is slow and for tests"
        )
    return None


@functools.cache
def triton_installed() -> bool:
    """Whether Triton is there; it is imported with the first kernel."""
    return importlib.util.find_spec("triton") is not None


def interpreting() -> bool:
    """Whether Triton runs kernels step by step on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0") not in ("", "0")


class KernelOp:
    """An operation `torch.ops.lgrseg.<name>` with gradients, as torch.compile and export see it.

    Called directly it is the same function, with as little in between as possible: the reference
    under torch's own autograd, or the kernel.
    """

    def __init__(
        self,
        name: str,
        arguments: str,
        *,
        reference: Callable,
        kernel: str,
        fake: Callable,
        faster: Callable | None = None,
    ):
        """Make the operation known to torch.

        Args:
            name: of the operation.
            arguments: in torch's schema language, tensors that can have a gradient and plain
                numbers; "str kernels" is added.
            reference: takes the arguments, gives the result.
            faster: the same in a less readable way, taken under "auto" where the kernel is not.
            kernel: module with `forward(*arguments) -> (result, kept)` and
                `backward(grad, result, kept, *arguments) -> gradients of the tensors`.
            fake: takes the arguments, gives empty (result, kept) of the kernel's shapes.
        """
        self._kernel = kernel
        self._in_torch = {"auto": faster or reference, "reference": reference}
        self.op = torch.library.custom_op(
            f"lgrseg::{name}",
            self._forward,
            mutates_args=(),
            schema=f"({arguments}, str kernels) -> (Tensor, Tensor)",
        )
        self.backward_op = torch.library.custom_op(
            f"lgrseg::{name}_backward",
            self._backward,
            mutates_args=(),
            schema=f"(Tensor grad, Tensor result, Tensor kept, {arguments}) -> Tensor[]",
        )

        def fake_forward(*given):
            result, kept = fake(*given[:-1])
            return result, kept if given[-1] == "triton" else result.new_empty(0)

        self.op.register_fake(fake_forward)
        self.backward_op.register_fake(
            lambda grad, result, kept, *given: [t.new_empty(t.shape) for t in _tensors(given)]
        )
        self.op.register_autograd(self._differentiate, setup_context=_remember)

    def __call__(self, *given, kernels: str | None = None) -> Tensor:
        """Compute; `kernels` as in `chosen`, asked of the first argument."""
        choice = chosen(given[0], kernels)
        if choice != "triton" and not torch.compiler.is_compiling():
            return self._compute(choice, given)
        return self.op(*given, choice)[0]

    def _forward(self, *given) -> tuple[Tensor, Tensor]:
        *given, kernels = given
        if kernels == "triton":
            return self._module().forward(*given)
        result = self._compute(kernels, given).contiguous()
        return result, result.new_empty(0)

    def _compute(self, choice: str, given) -> Tensor:
        # Operations say themselves in which type they compute; autocast knows less of them.
        with torch.autocast(given[0].device.type, enabled=False):
            return self._in_torch[choice](*given)

    def _backward(self, grad: Tensor, result: Tensor, kept: Tensor, *given) -> list[Tensor]:
        return list(self._module().backward(grad, result, kept, *given))

    def _differentiate(self, ctx, grad, _):
        result, kept, *tensors = ctx.saved_tensors
        *given, kernels = _filled(ctx.given, tensors)
        if kernels == "triton":
            found = self.backward_op(grad.contiguous(), result, kept, *given)
        else:
            found = self._gradients(kernels, grad, given)
        places = [number for number, g in enumerate(ctx.given) if g is None]
        gradients = dict(zip(places, found, strict=True))
        return tuple(gradients.get(number) for number in range(len(ctx.given)))

    def _gradients(self, choice: str, grad: Tensor, given: list) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            again = [g.detach().requires_grad_() if isinstance(g, Tensor) else g for g in given]
            result = self._compute(choice, again)
        return torch.autograd.grad(result, _tensors(again), grad, materialize_grads=True)

    def _module(self):
        return importlib.import_module(self._kernel)


def _remember(ctx, inputs, output) -> None:
    ctx.given = [None if isinstance(g, Tensor) else g for g in inputs]
    ctx.save_for_backward(*output, *_tensors(inputs))


def _filled(given: list, tensors: list[Tensor]) -> list:
    tensors = iter(tensors)
    return [next(tensors) if g is None else g for g in given]


def _tensors(given) -> list[Tensor]:
    return [g for g in given if isinstance(g, Tensor)]
