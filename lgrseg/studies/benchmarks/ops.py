"""Times operations (forward and backward) and peers, at shapes of LGRNet and Mask2Former."""

from collections.abc import Callable

import torch
from torch import Tensor

from lgrseg import ops
from lgrseg.studies.benchmarks import machine, peers
from lgrseg.studies.benchmarks.kernel_check import CASES, HALF_BOUNDS, check
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

Version = tuple[Callable[..., Tensor], list[Tensor]]
"""One implementation of an operation, and its inputs."""

PYRAMIDS = {
    "LGRNet 336 px, 7 frames": (7, [(11, 11), (21, 21), (42, 42)], 8, 8),
    "LGRNet 384 px, 11 frames": (11, [(12, 12), (24, 24), (48, 48)], 8, 8),
    "Mask2Former 1024 px": (1, [(32, 32), (64, 64), (128, 128)], 8, 32),
}
"""Shapes of deformable attention: clips x frames, scales, heads, width of a head."""


def run(*, repeats: int, device: str) -> list[Comparison]:
    """Time every operation, and print the results."""
    comparisons = []
    for dtype in (torch.float32, torch.bfloat16) if device == "cuda" else (torch.float32,):
        for backward in (False, True):
            comparisons += [
                deformable(name, backward, dtype, repeats=repeats, device=device)
                for name in PYRAMIDS
            ]
            comparisons.append(neighbours(backward, dtype, repeats=repeats, device=device))
            comparisons.append(sampling(backward, dtype, repeats=repeats, device=device))
    comparisons.append(
        scan("B=1, L=1024, D=256, N=16", 1, 1, 1024, 256, repeats=repeats, device=device)
    )
    comparisons.append(scan("LGRNet, 7 frames", 1, 2, 140, 128, repeats=repeats, device=device))
    return comparisons


def check_kernels(device: str) -> list[dict]:
    """Compare kernel and reference for every case and type on a GPU; print disagreements."""
    if device != "cuda":
        print("kernels: not checked, there is no GPU (tests run them in Triton's interpreter)")
        return []
    rows = []
    for case in CASES:
        for dtype in (torch.float32, *HALF_BOUNDS):
            for agreement in check(case, dtype, device):
                rows.append({
                    "case": case.name, "type": str(dtype), "tensor": agreement.tensor,
                    "kernel": agreement.kernel, "reference": agreement.reference,
                    "allowed": agreement.allowed, "holds": agreement.holds,
                })  # fmt: skip
    bad = [one for one in rows if not one["holds"]]
    print(f"kernels: {len(rows) - len(bad)} of {len(rows)} tensors agree with the references")
    for one in bad:
        print("  does not agree:", one)
    return rows


def deformable(name: str, backward: bool, dtype, *, repeats: int, device: str) -> Comparison:
    """Time deformable attention of every pixel, with four points on each of three scales."""
    frames, shapes, heads, width = PYRAMIDS[name]
    num = sum(h * w for h, w in shapes)
    value = torch.randn(frames, num, heads, width, device=device).to(dtype)
    centres = ops.reference_points(shapes, value.device)[None, :, None, None, None]
    offsets = torch.randn(frames, num, heads, len(shapes), 4, 2, device=device)
    locations = centres + offsets / 20
    weights = torch.randn(frames, num, heads, len(shapes) * 4, device=device).softmax(-1)
    weights = weights.unflatten(-1, (len(shapes), 4)).to(dtype)
    inputs = [value, locations, weights]
    versions = _versions(
        lambda k: lambda v, p, w: ops.ms_deform_attn(v, shapes, p, w, kernels=k), inputs
    )
    for peer, function in peers.deformable_attention().items():
        wide = [t.float() for t in inputs] if dtype != torch.float32 else inputs
        versions[peer] = (lambda f: lambda v, p, w: f(v, shapes, p, w))(function), wide
    return _compare(
        f"deformable attention, {name}", versions, backward, dtype,
        flops=value[:, :, :, 0].numel() * len(shapes) * 4 * width * 10,
        repeats=repeats, device=device, baseline="transformers",
    )  # fmt: skip


def neighbours(backward: bool, dtype, *, repeats: int, device: str) -> Comparison:
    """Time neighbourhood attention: every pixel of 48 x 48 maps attends to 5 x 5 pixels."""
    inputs = [torch.randn(7, 48, 48, 8, 8, device=device).to(dtype) for _ in range(3)]
    versions = _versions(
        lambda k: lambda q, x, v: ops.neighborhood_attention(q, x, v, kernel_size=5, kernels=k),
        inputs,
    )
    for peer, function in peers.neighborhood_attention().items():
        versions[peer] = (lambda f: lambda q, x, v: f(q, x, v, 5))(function), inputs
    return _compare(
        "neighbourhood attention 5 x 5, 7 x 48 x 48", versions, backward, dtype,
        flops=inputs[0].numel() * 25 * 4, repeats=repeats, device=device, baseline="reference",
    )  # fmt: skip


def sampling(backward: bool, dtype, *, repeats: int, device: str) -> Comparison:
    """Time point sampling as in the loss: 12,544 points of 80 masks."""
    maps = torch.randn(80, 1, 96, 96, device=device).to(dtype)
    points = torch.rand(80, 12_544, 2, device=device)
    versions = _versions(lambda k: lambda m, p: ops.point_sample(m, p, kernels=k), [maps, points])
    return _compare(
        "point sampling, 80 maps, 12,544 points", versions, backward, dtype,
        flops=80 * 12_544 * 10, repeats=repeats, device=device, baseline="reference",
    )  # fmt: skip


def scan(name, clips, scans, length, channels, *, repeats: int, device: str) -> Comparison:
    """Time the selective scan, forward and backward, N = 16."""
    shapes = [
        (clips, length, channels), (clips, scans, length, channels), (scans, channels, 16),
        (clips, scans, length, 16), (clips, scans, length, 16), (scans, channels),
        (scans, channels),
    ]  # fmt: skip
    inputs = [torch.randn(shape, device=device) for shape in shapes]
    inputs[2] = -inputs[2].abs()
    reverse = [False, True][:scans]

    def version(kernels):
        return lambda *tensors: ops.selective_scan(
            *tensors[:6], delta_bias=tensors[6], reverse=reverse, kernels=kernels
        )

    versions = _versions(version, inputs)
    if scans == 1:
        flat = [inputs[0], *(t[:, 0] for t in inputs[1:2]), inputs[2][0]]
        flat += [inputs[3][:, 0], inputs[4][:, 0], inputs[5][0], inputs[6][0]]
        versions |= {peer: (f, flat) for peer, f in peers.scans().items()}
    return _compare(
        f"selective scan, {name}", versions, True, torch.float32,
        flops=clips * scans * length * channels * 16 * 8, repeats=repeats, device=device,
        baseline="mambapy",
    )  # fmt: skip


def _versions(
    make: Callable[[str], Callable[..., Tensor]], inputs: list[Tensor]
) -> dict[str, Version]:
    return {"lgrseg": (make("auto"), inputs), "reference": (make("reference"), inputs)}


def _compare(
    title: str, versions: dict[str, Version], backward: bool, dtype: torch.dtype, *,
    flops: float, repeats: int, device: str, baseline: str,
) -> Comparison:  # fmt: skip
    """Time the versions; the number of moved bytes is that of "lgrseg"."""
    passes, factor = ("forward and backward", 3) if backward else ("forward", 1)
    candidates = {
        name: _call(function, tensors, backward) for name, (function, tensors) in versions.items()
    }
    inputs = versions["lgrseg"][1]
    timings = in_turns(candidates, repeats=repeats, device=device)
    result = candidates["lgrseg"]()
    moved = sum(t.numel() * t.element_size() for t in (*inputs, result))
    timings["lgrseg"].limit_seconds = machine.limit(
        device, num_bytes=moved * (3 if backward else 1), flops=flops * factor, kind=torch.float32
    )
    baseline = baseline if baseline in timings else "reference"
    short = str(dtype).removeprefix("torch.")
    return Comparison(f"{title}, {passes}, {short}", timings, baseline).show()


def _call(
    function: Callable[..., Tensor], tensors: list[Tensor], backward: bool
) -> Callable[[], Tensor]:
    if not backward:

        def forward():
            with torch.no_grad():
                return function(*tensors)

        return forward
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    grad = torch.randn_like(function(*leaves))

    def both():
        result = function(*leaves)
        torch.autograd.grad(result, leaves, grad)
        return result

    return both
