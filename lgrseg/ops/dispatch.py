"""Selects the version of an operation, and registers it with torch as one operation.

Every operation has a reference in plain torch (the differentiable specification) and a Triton
kernel with its own backward pass. On CUDA with Triton the kernel runs, otherwise the reference.
`LGRSEG_KERNELS=reference|triton|auto` or the argument `kernels` overrides this choice.
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
    """Choose the version of an operation: "triton", "reference", or "auto" for fast torch code.

    Args:
        tensor: main input of the operation; with "auto" its device and type decide.
        kernels: "auto", "reference" or "triton"; None reads the variable LGRSEG_KERNELS.

    Raises:
        ValueError: `kernels` has another value.
        RuntimeError: "triton" was requested but cannot run; the message has the reason.
    """
    requested = kernels or os.environ.get(VARIABLE) or "auto"
    if requested not in CHOICES:
        source = "kernels" if kernels else VARIABLE
        raise ValueError(f"{source} must be one of {', '.join(CHOICES)}, not {requested!r}")
    if requested == "reference" or (requested == "auto" and tensor.device.type != "cuda"):
        return requested
    obstacle = _obstacle(tensor)
    if requested == "triton" and obstacle:
        raise RuntimeError(f"a Triton kernel was requested, but {obstacle}")
    return requested if obstacle else "triton"


def _obstacle(tensor: Tensor) -> str | None:
    if not triton_installed():
        return "Triton is not installed: pip install triton (Linux)"
    if tensor.dtype not in KERNEL_TYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in KERNEL_TYPES)
        return f"the kernels compute in {names}, not in {tensor.dtype}"
    if tensor.device.type != "cuda" and not interpreting():
        return (
            f"the tensors are on {tensor.device.type}: move them to cuda, or set "
            "TRITON_INTERPRET=1 before the first kernel (slow, only for tests)"
        )
    return None


@functools.cache
def triton_installed() -> bool:
    """True if Triton is installed; it is imported with the first kernel."""
    return importlib.util.find_spec("triton") is not None


def interpreting() -> bool:
    """True if Triton interprets kernels on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0") not in ("", "0")


class KernelOp:
    """An operation `torch.ops.lgrseg.<name>` with gradients, for torch.compile and export.

    A direct call avoids the dispatcher where possible: it runs the reference with torch's autograd,
    or the kernel.
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
        """Register the operation with torch.

        Args:
            name: name of the operation.
            arguments: arguments in torch's schema language: tensors that can have a gradient, and
                plain numbers; "str kernels" is added.
            reference: function of the arguments that returns the result.
            faster: faster but less readable reference, used with "auto" if the kernel cannot run.
            kernel: name of the module with `forward(*arguments) -> (result, saved)` and
                `backward(grad, result, saved, *arguments) -> gradients of the tensors`.
            fake: function of the arguments that returns empty (result, saved) of the kernel's
                shapes.
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

        def fake_forward(*inputs):
            result, saved = fake(*inputs[:-1])
            return result, saved if inputs[-1] == "triton" else result.new_empty(0)

        self.op.register_fake(fake_forward)
        self.backward_op.register_fake(
            lambda grad, result, saved, *inputs: [t.new_empty(t.shape) for t in _tensors(inputs)]
        )
        self.op.register_autograd(self._differentiate, setup_context=_remember)

    def __call__(self, *inputs, kernels: str | None = None) -> Tensor:
        """Compute the operation; `kernels` as in `chosen`, for the device of the first argument."""
        choice = chosen(inputs[0], kernels)
        if choice != "triton" and not torch.compiler.is_compiling():
            return self._compute(choice, inputs)
        return self.op(*inputs, choice)[0]

    def _forward(self, *inputs) -> tuple[Tensor, Tensor]:
        *arguments, kernels = inputs
        if kernels == "triton":
            return self._module().forward(*arguments)
        result = self._compute(kernels, arguments).contiguous()
        return result, result.new_empty(0)

    def _compute(self, choice: str, inputs) -> Tensor:
        # Operations choose the type in which they compute, so autocast is disabled.
        with torch.autocast(inputs[0].device.type, enabled=False):
            return self._in_torch[choice](*inputs)

    def _backward(self, grad: Tensor, result: Tensor, saved: Tensor, *inputs) -> list[Tensor]:
        return list(self._module().backward(grad, result, saved, *inputs))

    def _differentiate(self, ctx, grad, _):
        result, saved, *tensors = ctx.saved_tensors
        *inputs, kernels = _filled(ctx.inputs, tensors)
        if kernels == "triton":
            results = self.backward_op(grad.contiguous(), result, saved, *inputs)
        else:
            results = self._gradients(kernels, grad, inputs)
        places = [number for number, g in enumerate(ctx.inputs) if g is None]
        gradients = dict(zip(places, results, strict=True))
        return tuple(gradients.get(number) for number in range(len(ctx.inputs)))

    def _gradients(self, choice: str, grad: Tensor, inputs: list) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            detached = [g.detach().requires_grad_() if isinstance(g, Tensor) else g for g in inputs]
            result = self._compute(choice, detached)
        return torch.autograd.grad(result, _tensors(detached), grad, materialize_grads=True)

    def _module(self):
        return importlib.import_module(self._kernel)


def _remember(ctx, inputs, output) -> None:
    ctx.inputs = [None if isinstance(g, Tensor) else g for g in inputs]
    ctx.save_for_backward(*output, *_tensors(inputs))


def _filled(inputs: list, tensors: list[Tensor]) -> list:
    following = iter(tensors)
    return [next(following) if g is None else g for g in inputs]


def _tensors(inputs) -> list[Tensor]:
    return [g for g in inputs if isinstance(g, Tensor)]
