"""Two processes with gloo give what one gives."""

import pytest
import torch
from two_processes import in_two_processes

from lgrseg.comm import processes as distributed
from lgrseg.engine.trainer import DefaultTrainer


def collect():
    distributed.init_from_env(torch.device("cpu"))
    rank = distributed.get_rank()
    total = distributed.all_reduce_sum(torch.tensor([rank + 1.0])).item()
    return total, distributed.all_gather_object(f"rank {rank}"), distributed.is_main_process()


def test_collectives():
    main, other = in_two_processes(collect)
    assert main == (3.0, ["rank 0", "rank 1"], True)
    assert other == (3.0, ["rank 0", "rank 1"], False)


def test_alone_they_do_nothing():
    assert distributed.all_gather_object(5) == [5]
    assert distributed.all_reduce_sum(torch.ones(1)).item() == 1
    assert (distributed.get_rank(), distributed.get_world_size()) == (0, 1)


def train(cfg):
    trainer = DefaultTrainer(cfg)
    trainer.train()
    weights = {name: p.detach().tolist() for name, p in trainer.model.named_parameters()}
    return weights, float(trainer.metrics["grad_norm"])


def test_two_processes_train_as_one_that_accumulates(tiny_cfg, tmp_path):
    # The U-Net's batch norms see one batch at a time in both cases.
    tiny_cfg.dataloader.test = {}
    tiny_cfg.train.accumulate = 2
    alone, norm_alone = train(tiny_cfg)
    tiny_cfg.train.accumulate = 1
    tiny_cfg.train.output_dir = str(tmp_path / "two")
    (main, norm), (other, _) = in_two_processes(train, tiny_cfg)
    assert main == other
    assert norm == pytest.approx(norm_alone, rel=1e-4)
    for name, values in alone.items():
        torch.testing.assert_close(
            torch.tensor(main[name]), torch.tensor(values), rtol=1e-4, atol=1e-5
        )


def evaluate(cfg):
    results = DefaultTrainer(cfg).test()["tiny"]
    return {key: value for key, value in results.items() if key != "seconds_per_clip"}


def test_evaluation_gives_the_same_numbers(tiny_cfg):
    alone = evaluate(tiny_cfg)
    assert in_two_processes(evaluate, tiny_cfg) == [alone, alone]


def fail_on_one(cfg):
    trainer = DefaultTrainer(cfg)
    original = trainer._losses

    def losses(*batch):
        found = original(*batch)
        bad = float("nan") if distributed.get_rank() == 1 and trainer.iteration == 2 else 1.0
        return {name: loss * bad for name, loss in found.items()}

    trainer._losses = losses
    try:
        trainer.train()
    except FloatingPointError as error:
        return trainer.iteration, str(error)


def test_a_bad_batch_of_one_process_stops_both_and_is_named(tiny_cfg):
    for iteration, message in in_two_processes(fail_on_one, tiny_cfg):
        assert iteration == 2
        assert "process 1: loss_ce nan" in message and "process 0: loss_ce 0" in message


def remember_clips(trainer):
    """A list that gets the seed of every clip that goes into the model."""
    seeds, losses = [], trainer._losses

    def remembered(batch, totals):
        seeds.extend(clip.seed for clip in batch[0])
        return losses(batch, totals)

    trainer._losses = remembered
    return seeds


def lose_the_videos_of_one(cfg):
    trainer = DefaultTrainer(cfg)
    seeds, next_batches = remember_clips(trainer), trainer._next_batches

    def fail_in_process_1():
        if distributed.get_rank() == 1 and trainer.iteration == 3:
            raise OSError("the disk of process 1 is gone")
        return next_batches()

    trainer._next_batches = fail_in_process_1
    try:
        trainer.train()
    except Exception as error:
        return seeds, error.__notes__


def test_after_an_error_of_one_process_another_number_goes_on_and_repeats_no_clip(tiny_cfg):
    alone = DefaultTrainer(tiny_cfg)
    alone.build_data()
    stream = [alone.loader.dataset[number][0].seed for number in range(18)]
    (main, main_notes), (other, other_notes) = in_two_processes(lose_the_videos_of_one, tiny_cfg)
    # The main process waited for the other's gradient in vain; it alone writes.
    assert main_notes[-1] == "saved after iteration 3; --resume continues from there"
    assert other_notes == [
        "this process saves nothing; --resume continues from the last checkpoint"
    ]
    alone.resume_or_load(resume=True)
    seeds = remember_clips(alone)
    alone.train()
    assert sorted(main[:6] + other) == sorted(stream[:12])  # 3 iterations x 2 processes x 2 clips
    assert seeds == stream[12:]


def stop_by_signal(cfg):
    from lgrseg.engine.stopping import StopRequested

    trainer = DefaultTrainer(cfg)
    if distributed.get_rank() == 1:
        trainer.signal = 15  # only this process heard it
    try:
        trainer.train()
    except StopRequested:
        return trainer.iteration


def test_a_signal_to_one_process_stops_both_after_the_same_step(tiny_cfg):
    assert in_two_processes(stop_by_signal, tiny_cfg) == [1, 1]
