"""Checkpoints of a run that cannot be written, or must not be replaced."""

import resource

import pytest

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.engine.trainer import DefaultTrainer


@pytest.mark.parametrize(
    ("resume", "message"), [(False, "already has a run"), (True, "has weights, but no state")]
)
def test_weights_without_a_state_are_not_replaced(tiny_cfg, tmp_path, resume, message):
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "last.safetensors").touch()  # the states were deleted to save space
    with pytest.raises(CheckpointError, match=message):
        DefaultTrainer(tiny_cfg).resume_or_load(resume=resume)


def test_a_checkpoint_that_cannot_be_written_names_the_remedy(tiny_cfg):
    trainer = DefaultTrainer(tiny_cfg)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for remedy in ("there is no checkpoint yet", "--resume continues from the last checkpoint"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk
        try:
            with pytest.raises(CheckpointError, match="could not be written") as failed:
                trainer.save("last")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert remedy in failed.value.__notes__[0]
        trainer.save("last")
