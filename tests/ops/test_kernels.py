"""The Triton kernels: agreement with the references, types, torch.compile, export, determinism.

With a GPU they run on it; without one in Triton's interpreter, which is why the shapes are small.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lgrseg.ops import ms_deform_attn, point_sample, selective_scan
from lgrseg.ops.dispatch import chosen
from lgrseg.studies.benchmarks.kernel_check import CASES, HALF_BOUNDS, check

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
BY_NAME = {case.name: case for case in CASES}
ONE_OF_EACH = ["deformable attention, softmax", "scan, one way, odd widths", "neighbourhood",
               "point sampling"]  # fmt: skip
# Triton's interpreter takes seconds for a neighbourhood: by default its agreement alone is tested.
ONE_OF_EACH_SLOWLY = [
    pytest.param(name, marks=pytest.mark.slow if name == "neighbourhood" else ())
    for name in ONE_OF_EACH
]


@pytest.fixture
def triton():
    """Skips where Triton does not install; before 3.7 its interpreter fails beside NumPy 2.4."""
    return pytest.importorskip("triton", minversion=None if GPU else "3.7")


@pytest.fixture
def short_chunks(monkeypatch):
    """Of the scan, so that a short one has several; the interpreter takes a step at a time."""
    kernel = importlib.import_module("lgrseg.ops.selective_scan_kernel")
    for module in (kernel, sys.modules["lgrseg.ops.selective_scan"]):
        monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setattr(kernel, "ELEMENTS", 512)


@pytest.mark.usefixtures("triton", "short_chunks")
@pytest.mark.parametrize("name", BY_NAME)
def test_kernels_agree_with_the_references(name):
    failures = [a for a in check(BY_NAME[name], torch.float32, DEVICE) if not a.holds]
    assert not failures


@pytest.mark.usefixtures("triton", "short_chunks")
@pytest.mark.parametrize("kind", HALF_BOUNDS)
@pytest.mark.parametrize("name", ONE_OF_EACH_SLOWLY)
def test_half_precision(name, kind):
    failures = [a for a in check(BY_NAME[name], kind, DEVICE) if not a.holds]
    assert not failures


@pytest.mark.usefixtures("triton", "short_chunks")
@pytest.mark.parametrize("name", ONE_OF_EACH_SLOWLY)
def test_deterministic_mode_gives_the_same_bits(name):
    case = BY_NAME[name]
    tensors = case.tensors(DEVICE)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (case.run(tensors, "triton", torch.float32) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    exact = case.run(tensors, "reference", torch.float64)
    for key, right in exact.items():
        assert torch.equal(first[key], second[key])
        assert torch.allclose(first[key].double(), right, atol=1e-4, rtol=1e-4)


def test_fixed_point_sums_do_not_depend_on_their_order(triton):
    """In float32, 1 + 1e8 - 1e8 is 0 or 1, by the order of the points; as whole numbers it is 1."""
    maps = torch.zeros(1, 1, 1, 1, device=DEVICE, requires_grad=True)
    points = torch.full((1, 3, 2), 0.5, device=DEVICE)
    torch.use_deterministic_algorithms(True)
    try:
        sums = set()
        for order in ([1.0, 1e8, -1e8], [1e8, 1.0, -1e8], [1e8, -1e8, 1.0]):
            maps.grad = None
            seen = point_sample(maps, points, kernels="triton")
            seen.backward(torch.tensor(order, device=DEVICE).reshape(seen.shape))
            sums.add(maps.grad.item())
    finally:
        torch.use_deterministic_algorithms(False)
    assert sums == {1.0}


# "auto" is one of the other two; compiled and exported operations, below, are all "auto".
@pytest.mark.parametrize(
    "kernels", ["reference", pytest.param("auto", marks=pytest.mark.slow), "triton"]
)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_operation_as_torch_sees_it(triton, name, kernels):
    """Schema, fake tensors and gradients, checked by torch."""
    case = BY_NAME[name]
    given = {k: t.requires_grad_() for k, t in case.tensors(DEVICE).items()}
    recorded = []
    operation = _operation_of(case)

    def record(*arguments):
        recorded.append(arguments)
        return operation(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        patch.setattr(_module_of(case)._OP, "op", record)
        case.function(**given, **case.options, kernels=kernels)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    found = torch.library.opcheck(operation, recorded[0], test_utils=tests)
    assert found == dict.fromkeys(tests, "SUCCESS")


def _module_of(case):
    return sys.modules[case.function.__module__]


def _operation_of(case):
    return _module_of(case)._OP.op


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_compile_and_export_see_one_operation(name):
    case = BY_NAME[name]
    given = case.tensors()

    class Module(torch.nn.Module):
        def forward(self, given):
            return case.function(**given, **case.options)

    program = torch.export.export(Module(), (given,))
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    operation = getattr(torch.ops.lgrseg, _operation_of(case)._name).default
    assert calls.count(operation) == 1 and len(calls) <= 3  # and taking the first of its results
    expected = case.function(**given, **case.options)
    assert torch.allclose(program.module()(given), expected, atol=1e-6)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_compiled_operation_has_its_gradients(name):
    case = BY_NAME[name]
    given = {k: t.requires_grad_() for k, t in case.tensors().items()}
    compiled = torch.compile(case.function, backend="aot_eager", fullgraph=True)
    compiled(**given, **case.options).cos().sum().backward()
    found = {k: t.grad.clone() for k, t in given.items()}
    for tensor in given.values():
        tensor.grad = None
    case.function(**given, **case.options).cos().sum().backward()
    for key, tensor in given.items():
        assert torch.allclose(found[key], tensor.grad, atol=1e-5)


def test_places_stay_float32_beside_half_precision():
    """A place of 0.7 across 2000 pixels is pixel 1399.5; bfloat16 could only say 1392 or 1400."""
    value = torch.arange(2000.0).bfloat16().reshape(1, 2000, 1, 1)
    at = torch.tensor([0.7, 0.5]).reshape(1, 1, 1, 1, 1, 2)
    weight = torch.ones(1, 1, 1, 1, 1, dtype=torch.bfloat16)
    seen = ms_deform_attn(value, [(1, 2000)], at, weight)
    assert seen.dtype == torch.bfloat16
    expected = value.flatten().float()[1399:1401].mean().bfloat16()
    assert seen.item() == expected.item()


def test_the_variable_and_the_argument_choose(monkeypatch):
    some = torch.zeros(1)
    monkeypatch.delenv("LGRSEG_KERNELS", raising=False)
    assert chosen(some) == "auto"
    monkeypatch.setenv("LGRSEG_KERNELS", "reference")
    assert chosen(some) == "reference"
    assert chosen(some, "auto") == "auto"
    monkeypatch.setenv("LGRSEG_KERNELS", "cuda")
    with pytest.raises(ValueError, match="LGRSEG_KERNELS must be one of auto, reference, triton"):
        chosen(some)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BY_NAME)
def test_cuda_gives_what_the_cpu_gives(name):
    """The users' standing complaint about the public kernels."""
    case = BY_NAME[name]
    tensors = case.tensors()
    here = case.run(tensors, "auto", torch.float32)
    there = case.run({k: t.cuda() for k, t in tensors.items()}, "auto", torch.float32)
    for key, right in here.items():
        assert torch.allclose(there[key].cpu(), right, atol=1e-4, rtol=1e-4), key


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_a_forced_kernel_that_is_not_there_says_why(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    monkeypatch.setattr("lgrseg.ops.dispatch.triton_installed", lambda: True)
    with pytest.raises(RuntimeError, match="the tensors are on cpu: move them to cuda"):
        chosen(torch.zeros(1), "triton")
    with pytest.raises(RuntimeError, match="compute in float32, bfloat16, float16, not in torch.f"):
        chosen(torch.zeros(1, dtype=torch.float64), "triton")
    monkeypatch.setattr("lgrseg.ops.dispatch.triton_installed", lambda: False)
    with pytest.raises(RuntimeError, match="pip install triton"):
        chosen(torch.zeros(1), "triton")


def test_scans_need_a_direction_each():
    tensors = BY_NAME["scan, both ways"].tensors()
    with pytest.raises(ValueError, match="2 scans, but reverse has 1"):
        selective_scan(**tensors, reverse=(True,))


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_ahead_of_time(capability, tmp_path):
    """To machine code of A100 and H100, by Triton's own assembler; no GPU takes part."""
    pytest.importorskip("triton")
    script = Path(__file__).with_name("compile_kernels.py")
    environment = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}  # compiled anew
    done = subprocess.run(
        [sys.executable, script, str(capability), "float32", "bfloat16", "float16"],
        capture_output=True, text=True, env=os.environ | environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(done.stdout.split()) == {
        "ms_deform_attn_forward", "ms_deform_attn_backward",
        "selective_scan_forward", "selective_scan_backward",
        "neighborhood_attention_forward", "neighborhood_attention_backward_queries",
        "neighborhood_attention_backward_keys", "point_sample_forward", "point_sample_backward",
    }  # fmt: skip
