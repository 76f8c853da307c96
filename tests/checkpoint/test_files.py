"""A checkpoint is whole or not there; what is no checkpoint is refused with a reason."""

import multiprocessing
import os
import pickle
import random
import resource
import signal
import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lgrseg.checkpoint.files import (
    CheckpointError,
    copy_checkpoint,
    numbered_checkpoints,
    remove_old,
    save_checkpoint,
)
from lgrseg.checkpoint.loading import load_weights
from lgrseg.checkpoint.reading import read_newest_state, read_state, read_weights


def save(folder, iteration, name="last", size=1000):
    weights = {"w": torch.full((size,), float(iteration))}
    save_checkpoint(folder, name, weights, {"iteration": iteration, "model": weights})


def test_what_is_written_is_read(tmp_path):
    tied = torch.arange(3.0)
    weights = {"a": tied, "b": tied, "count": torch.tensor(7)}  # two names of one tensor
    save_checkpoint(tmp_path, "last", weights, {"iteration": 5, "best_score": None, "x": [1, "y"]})
    back = read_weights(tmp_path / "last.safetensors")
    assert {name: value.tolist() for name, value in back.items()} == {
        "a": [0, 1, 2],
        "b": [0, 1, 2],
        "count": 7,
    }
    assert read_state(tmp_path / "last.state.pt") == {
        "iteration": 5,
        "best_score": None,
        "x": [1, "y"],
    }


def test_others_may_read_what_they_may_read_elsewhere(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "plain").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_failed_write_leaves_the_earlier_one(tmp_path):
    save(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)  # as a full disk: no file above 10 kB
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(
            CheckpointError, match="could not be written.*an earlier file is unchanged"
        ):
            save(tmp_path, 2, size=100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_state(tmp_path / "last.state.pt")["iteration"] == 1
    assert read_weights(tmp_path / "last.safetensors")["w"][0] == 1
    assert sorted(os.listdir(tmp_path)) == ["last.safetensors", "last.state.pt"]


def save_for_ever(folder):
    torch.set_num_threads(1)
    for iteration in range(1, 10**6):
        save(folder, iteration, size=20_000)


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_while_writing(tmp_path, times):
    save(tmp_path, 0)
    context, wait = multiprocessing.get_context("fork"), random.Random(0)
    for _ in range(times):
        process = context.Process(target=save_for_ever, args=(tmp_path,))
        process.start()
        time.sleep(wait.uniform(0.01, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        _, state = read_newest_state(tmp_path)
        assert (state["model"]["w"] == state["iteration"]).all()
        weights = read_weights(tmp_path / "last.safetensors")["w"]
        assert (weights == weights[0]).all()
    assert state["iteration"] > 0


def test_a_damaged_last_falls_back_to_the_newest_numbered_one(tmp_path, caplog):
    for iteration in (9, 10):
        save(tmp_path, iteration)
        copy_checkpoint(tmp_path, "last", f"iter_{iteration}")
    whole = (tmp_path / "last.state.pt").read_bytes()
    (tmp_path / "last.state.pt").unlink()  # not in place: the two names are one file
    (tmp_path / "last.state.pt").write_bytes(whole[: len(whole) // 2])
    path, state = read_newest_state(tmp_path)
    assert (path.name, state["iteration"]) == ("iter_10.state.pt", 10)
    assert "trying an earlier one" in caplog.text


def test_nothing_readable_is_an_error_and_nothing_at_all_is_none(tmp_path):
    assert read_newest_state(tmp_path) is None
    (tmp_path / "last.state.pt").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match="truncated"):
        read_newest_state(tmp_path)


def test_keeping_the_last_ones(tmp_path):
    for iteration in (8, 9, 10):
        save(tmp_path, iteration, name=f"iter_{iteration}")
    remove_old(tmp_path, 2)
    assert [path.stem for path in numbered_checkpoints(tmp_path)] == ["iter_9", "iter_10"]
    assert not (tmp_path / "iter_8.state.pt").exists()


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_bomb_does_not_go_off(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"w": torch.ones(1)}, "bomb": Bomb()}, "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(CheckpointError, match="could run code"):
            read_weights(name)
    assert not (tmp_path / "bomb").exists()


def test_a_flipped_bit_is_noticed(tmp_path):
    save(tmp_path, 1)
    file = tmp_path / "last.state.pt"
    content = bytearray(file.read_bytes())
    content[content.index(torch.ones(1000).numpy().tobytes()) + 2000] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="has a wrong checksum"):
        read_state(file)


def test_cut_short_or_missing(tmp_path):
    save(tmp_path, 1)
    file = tmp_path / "last.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file.*it again$"):
        read_weights(file)
    save(tmp_path, 1, name="iter_1")
    with pytest.raises(CheckpointError, match=r"or use other weights: .*/iter_1\.safetensors$"):
        read_weights(file)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        read_weights(tmp_path / "none.safetensors")


def test_another_architecture(tmp_path):
    model, file = nn.Linear(2, 3), tmp_path / "m.pth"
    torch.save({"state_dict": {"weight": torch.ones(3, 2), "bias": torch.ones(4)}}, file)
    with pytest.raises(CheckpointError, match=r"bias \(file \(4,\), model \(3,\)\)"):
        load_weights(model, file)
    load_weights(model, file, strict=False)  # 6 of 9 numbers fit
    assert model.weight.unique().tolist() == [1.0]
    torch.save({"other": torch.ones(9)}, file)
    with pytest.raises(CheckpointError, match="only 0% of this model's numbers"):
        load_weights(model, file, strict=False)


def wrapped(kind: str, model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a model as a wrapper of torch names them."""
    wrappers = {
        "nothing": lambda model: model,
        "parallel": nn.DataParallel,
        "averaged": torch.optim.swa_utils.AveragedModel,
        "compiled": torch.compile,
        "compiled, then parallel": lambda model: nn.DataParallel(torch.compile(model)),
        "a part compiled": lambda model: nn.Sequential(model[0], torch.compile(model[1])),
    }
    return wrappers[kind](model).state_dict()


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("nothing", None),
        ("parallel", "removed module. of"),
        ("averaged", "removed module. of"),
        ("compiled", "removed _orig_mod. of"),
        ("compiled, then parallel", "removed _orig_mod. and module. of"),
        ("a part compiled", "removed _orig_mod. of"),
    ],
)
def test_the_names_of_wrapped_models_are_understood(kind, told, ending, tmp_path, caplog):
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1)))
    weights, file = wrapped(kind, model), tmp_path / f"w.{ending}"
    if ending == "pth":
        torch.save({"state_dict": weights}, file)
    else:
        save_file({name: value.clone() for name, value in weights.items()}, file)
    other = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1)))
    load_weights(other, file)
    assert all(torch.equal(value, other.state_dict()[k]) for k, value in model.state_dict().items())
    assert (told in caplog.text) if told else not caplog.text


def test_two_names_never_become_one(tmp_path):
    weights = {"a.w": torch.zeros(1), "a._orig_mod.w": torch.ones(1)}
    save_file(weights, tmp_path / "w.safetensors")
    assert read_weights(tmp_path / "w.safetensors").keys() == weights.keys()
