"""Compares kernels with references: values and gradients of every operation, on small shapes.

The true values are those of the reference in float64. An error is the largest difference divided by
the largest entry. In float32 the error of a kernel may be twice the error of the float32 reference,
plus two units in the last place (because the reference is sometimes exact by chance). In half
precision it may be `HALF_BOUNDS`, which allows for rounding of inputs and results.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lgrseg.ops import (
    ms_deform_attn,
    ms_deform_attn_softmax,
    neighborhood_attention,
    point_sample,
    selective_scan,
)

HALF_BOUNDS = {torch.bfloat16: 2**-6, torch.float16: 2**-9}
"""Largest allowed error: four units in the last place of the type."""
TWO_ULP = 2**-22


@dataclass
class Case:
    """One call of an operation."""

    name: str
    function: Callable[..., Tensor]
    """Function of tensors and `kernels` that returns one tensor."""
    shapes: dict[str, tuple[int, ...]]
    places: tuple[str, ...] = ()
    """Names of tensors with positions from 0 to 1: they stay float32, and some are outside."""
    negative: tuple[str, ...] = ()
    """Names of tensors with negative values."""
    options: dict = field(default_factory=dict)

    def tensors(self, device: str = "cpu") -> dict[str, Tensor]:
        """Draw input tensors from torch's random generator."""
        inputs = {}
        for name, shape in self.shapes.items():
            values = torch.rand(shape) * 1.4 - 0.2 if name in self.places else torch.randn(shape)
            inputs[name] = (-values.abs() if name in self.negative else values).to(device)
        return inputs

    def run(self, tensors: dict[str, Tensor], kernels: str, kind: torch.dtype) -> dict[str, Tensor]:
        """The result in type `kind`, and all gradients for a fixed output gradient."""
        inputs = {}
        for name, tensor in tensors.items():
            fixed = name in self.places and kind != torch.float64
            inputs[name] = tensor.to(tensor.dtype if fixed else kind).clone().requires_grad_()
        result = self.function(**inputs, **self.options, kernels=kernels)
        # The output gradient is irregular, so errors do not cancel; it is the same for all
        # versions.
        numbers = torch.arange(result.numel(), device=result.device).reshape(result.shape)
        result.backward(numbers.double().cos().to(result.dtype))
        tensors_of_case = {"result": result.detach()}
        for name, tensor in inputs.items():
            assert tensor.grad is not None, f"{self.name}: {name} has no gradient"
            tensors_of_case[name] = tensor.grad
        return tensors_of_case


def deformable(name, function, queries, heads, width, levels, points, clips=2) -> Case:
    """A case of deformable attention."""
    samples = (clips, queries, heads, len(levels), points)
    shapes = {
        "value": (clips, sum(h * w for h, w in levels), heads, width),
        "locations": (*samples, 2),
        "scores" if function is ms_deform_attn_softmax else "weights": samples,
    }
    return Case(name, function, shapes, places=("locations",), options={"shapes": levels})


def scan(name, clips, reverse, length, channels, state) -> Case:
    """A case of the selective scan."""
    scans = len(reverse)
    shapes = {
        "u": (clips, length, channels),
        "delta": (clips, scans, length, channels),
        "A": (scans, channels, state),
        "B": (clips, scans, length, state),
        "C": (clips, scans, length, state),
        "D": (scans, channels),
        "delta_bias": (scans, channels),
    }
    return Case(name, selective_scan, shapes, negative=("A",), options={"reverse": reverse})


def neighbours(name, size, heads, width, kernel_size, dilation, maps=1) -> Case:
    """A case of neighbourhood attention."""
    shape = (maps, *size, heads, width)
    shapes = {"query": shape, "key": shape, "value": shape}
    options = {"kernel_size": kernel_size, "dilation": dilation}
    return Case(name, neighborhood_attention, shapes, options=options)


def sampling(name, maps, channels, size, points, **options) -> Case:
    """A case of point sampling."""
    shapes = {"maps": (maps, channels, *size), "points": (maps, points, 2)}
    return Case(name, point_sample, shapes, places=("points",), options=options)


SMALL = [(5, 7), (3, 4), (2, 2)]
CASES = [
    deformable("deformable attention", ms_deform_attn, 20, 8, 8, SMALL, 4, clips=1),
    deformable("deformable attention, width 20", ms_deform_attn, 9, 2, 20, [(5, 7)], 3),
    deformable("deformable attention, width 64, one query", ms_deform_attn, 1, 1, 64, SMALL, 1),
    deformable("deformable attention, softmax", ms_deform_attn_softmax, 9, 8, 8, SMALL, 4),
    deformable("deformable attention, softmax, odd", ms_deform_attn_softmax, 7, 3, 32, SMALL, 3),
    deformable("deformable attention, no clip", ms_deform_attn, 3, 2, 8, SMALL, 2, clips=0),
    scan("scan, both ways", 1, (False, True), 70, 4, 8),
    scan("scan, one way, odd widths", 2, (False,), 9, 5, 3),
    scan("scan, one step", 1, (True,), 1, 2, 16),
    scan("scan, no clip", 0, (False, True), 5, 4, 4),
    neighbours("neighbourhood", (7, 6), 2, 8, 5, 1, maps=2),
    neighbours("neighbourhood, dilated", (11, 10), 1, 8, 3, 2),
    neighbours("neighbourhood, larger than the map", (3, 11), 2, 5, 5, 1),
    neighbours("neighbourhood, one pixel", (1, 1), 1, 8, 5, 1),
    neighbours("neighbourhood, width 64", (4, 5), 1, 64, 3, 1),
    neighbours("neighbourhood, no map", (4, 5), 1, 8, 3, 1, maps=0),
    sampling("point sampling", 2, 3, (7, 6), 50),
    sampling("point sampling, up to the border", 2, 3, (5, 4), 50, padding="border"),
    sampling("point sampling, one pixel", 1, 1, (1, 1), 3),
    sampling("point sampling, many points", 1, 1, (20, 30), 300),
    sampling("point sampling, no map", 0, 2, (3, 3), 4),
]


@dataclass
class Agreement:
    """Errors of one tensor of a case against the float64 reference."""

    tensor: str
    kernel: float
    """Error of the kernel."""
    reference: float
    """Error of the reference in the kernel's type."""
    allowed: float

    @property
    def holds(self) -> bool:
        """True if the kernel's error is within the bound; False for NaN."""
        return self.kernel <= self.allowed


def check(case: Case, kind: torch.dtype, device: str = "cpu") -> list[Agreement]:
    """Compare the kernel of a case with the reference: the result and every gradient."""
    tensors = case.tensors(device)
    for name in tensors.keys() - set(case.places):
        tensors[name] = tensors[name].to(kind)  # rounding of the inputs does not count as error
    kernel = case.run(tensors, "triton", kind)
    reference = case.run(tensors, "reference", kind)
    exact = case.run(tensors, "reference", torch.float64)
    agreements = []
    for name, right in exact.items():
        errors = _error(kernel[name], right), _error(reference[name], right)
        bound = HALF_BOUNDS.get(kind, 2 * errors[1] + TWO_ULP)
        agreements.append(Agreement(name, *errors, bound))
    return agreements


def _error(result: Tensor, right: Tensor) -> float:
    if result.shape != right.shape:
        return float("nan")
    if not right.numel():
        return 0.0
    largest = right.abs().max().clamp(min=1e-6)  # with one pixel, the gradient of a query is zero
    return float((result.double() - right).abs().max() / largest)
