"""lgrseg/layers/speed.py: faster or smaller, and the same numbers."""

import os
import subprocess
import sys
import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lgrseg.config import instantiate, load_config
from lgrseg.layers import speed
from lgrseg.structures import Clip, ClipTargets

SMALL = [
    "model.backbone.variant=b0",
    "model.encoder.in_channels={res2: 32, res3: 64, res4: 160, res5: 256}",
    "model.encoder.num_layers=1",
    "model.encoder.pixel_ffn_dim=16",
    "model.encoder.query_ffn_dim=16",
    "model.criterion.num_points=64",
    "model.backbone.drop_path_rate=0.5",
    "dataloader.test={}",
]


def small_model(config="configs/lgrnet/base.py"):
    torch.manual_seed(0)
    overrides = SMALL if "lgrnet" in config else []
    return instantiate(load_config(config, overrides).model).train()


def batch(*, num_frames=2, size=64):
    clips, targets = [], []
    for number in range(2):
        masks = torch.zeros(2, num_frames, size, size, dtype=torch.bool)
        masks[0, :, 8:30, 8 + number : 40] = True
        masks[1, :, 40:60, 20:50] = True
        annotated = torch.arange(num_frames) != number  # one frame is not
        masks[:, ~annotated] = False
        frames = torch.rand(num_frames, 1, size, size)
        clips.append(Clip(frames, torch.arange(num_frames), f"clip{number}", seed=number))
        targets.append(ClipTargets(annotated, torch.tensor([0, 2]), masks))
    return clips, targets


def gradients(model, given):
    model.zero_grad()
    loss = sum(model(*given).values())
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters()}


def test_recomputed_activations_give_the_same_gradients():
    """Stochastic depth of 0.5 is on: the second time, the same branches are left out."""
    model, given = small_model(), batch()
    loss, expected = gradients(model, given)
    assert speed.recompute_activations(model) == 8 + 1  # b0 has eight blocks, the encoder one
    again, found = gradients(model, given)
    assert loss == again
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_recomputing_keeps_less():
    kept = []
    for recompute in (False, True):
        model, sizes = small_model(), []
        if recompute:
            speed.recompute_activations(model)

        def pack(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(*batch())
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 3


def test_channels_last_changes_no_result():
    model, given = small_model().double().eval(), batch()[0]
    for clip in given:
        clip.frames = clip.frames.double()
    with torch.inference_mode():
        (expected, _), (found, _) = model(given), speed.channels_last(model)(given)
    weight = model.backbone.patch_embed1.proj.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found.mask_logits, expected.mask_logits, atol=1e-9)


@pytest.mark.slow  # a minute and a half
def test_compiled_parts_take_clips_of_any_length():
    """By torch's own tracing, without the minutes of code generation; three lengths, one model."""
    torch.compiler.reset()
    model = small_model()
    model.backbone.requires_grad_(True)
    lengths = [batch(num_frames=n) for n in (2, 3, 5)]
    expected = [gradients(model, given) for given in lengths]
    assert speed.compile_parts(model, backend="aot_eager") == ["backbone", "encoder"]
    for (loss, right), given in zip(expected, lengths, strict=True):
        again, found = gradients(model, given)
        assert torch.allclose(loss, again, rtol=1e-4)
        largest = max(g.abs().max() for g in right.values())
        assert all((found[n] - right[n]).abs().max() < 1e-3 * largest for n in right)


class NoWaiting(TorchDispatchMode):
    """Refuses what would make Python wait for a GPU: reading a number, counting what is true."""

    seen = 0
    READS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen += 1
        name = function.overloadpacket.__name__
        assert name not in self.READS, f"{name} in the middle of a step"
        if name in ("index", "index_put", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, "indexing with a mask counts what is true"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("config", ["configs/lgrnet/base.py", "configs/baselines/unet.py"])
def test_a_step_reads_nothing_back_besides_the_matching(config):
    model, given = small_model(config), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    with NoWaiting() as watch:  # asserts at every operation
        sum(model(*given).values()).backward()
        optimizer.step()
    assert watch.seen > 500  # forward, loss and backward went past it


def test_the_watch_sees_what_would_wait():
    for wait in (lambda x: x.item(), lambda x: x[x > 0], lambda x: x.nonzero()):
        with pytest.raises(AssertionError), NoWaiting():
            wait(torch.ones(1))


FAULTS = """
import resource, sys, torch
from lgrseg.layers.speed import hold_on_to_memory
held = sys.argv[1] == "held" and hold_on_to_memory()
faults = []
for _ in range(8):  # where the heap is hemmed in, the first three find it a new place
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(held, *faults)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_memory_is_held():
    """A freed tensor's pages are there for the next one, so that touching it faults none in."""
    faults = {}
    for word in ("plain", "held"):
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True
        )
        held, *numbers = done.stdout.split()
        faults[word] = [int(number) for number in numbers]
    if held != "True":
        pytest.skip("this C library has no mallopt")
    assert min(faults["plain"]) >= 2**26 // os.sysconf("SC_PAGE_SIZE") > 10 * min(faults["held"])


def test_the_deterministic_setting_reaches_the_kernels(monkeypatch, tmp_path):
    from lgrseg.engine.trainer import DefaultTrainer

    cfg = load_config("configs/lgrnet/base.py", [*SMALL, "train.deterministic=true"])
    cfg.train.output_dir = str(tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    try:
        DefaultTrainer(cfg)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_settings_of_speed_reach_the_model(tmp_path):
    from lgrseg.engine.trainer import DefaultTrainer

    words = ["train.recompute_activations=true", "train.compile=true"]
    cfg = load_config("configs/lgrnet/base.py", [*SMALL, *words])
    cfg.train.output_dir = str(tmp_path)
    model = DefaultTrainer(cfg).model
    assert model.encoder._compiled_call_impl is not None
    assert model.encoder.layers[0].forward.func is torch.utils.checkpoint.checkpoint
    weight = model.backbone.patch_embed1.proj.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
def test_a_step_waits_for_the_gpu_once():
    """With the matching's costs; the guard reads what it decided a step later, from an event."""
    model = small_model().cuda()
    clips, targets = batch()
    given = [clip.to("cuda") for clip in clips], [target.to("cuda") for target in targets]
    sum(model(*given).values()).backward()  # what is kept from call to call is made
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sum(model(*given).values()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchronizing" in str(w.message)]
    assert len(waits) == 1, [str(w.message) for w in waits]
