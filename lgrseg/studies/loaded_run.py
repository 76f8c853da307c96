"""A finished run, loaded to be tested on datasets."""

from pathlib import Path

from omegaconf import DictConfig
from torch.utils.data import DataLoader

from lgrseg.config import instantiate, load_config
from lgrseg.engine.test_sets import with_test_sets
from lgrseg.inference.members import Member
from lgrseg.inference.result_files import mark_of
from lgrseg.inference.run_files import run_files


class LoadedRun:
    """A finished run with its config, and its model in evaluation mode."""

    def __init__(self, run: Path, *, name: str = "", device: str = "auto"):
        """Load a run.

        Args:
            run: folder of the run; the checkpoint is its best one, or its last one.
            name: name of the run in tables; by default its folder.
            device: "cpu", "cuda", or "auto" for a GPU if there is one.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
            ValueError: the run predicts no masks.
        """
        config, weights = run_files(run)
        self.name = name or str(run)
        self.cfg: DictConfig = load_config(config, [f"train.device={device}"])
        self.member = Member.load(self.cfg, weights, name=self.name)
        self.made_by = mark_of(self.member.made_with)

    def loader(self, dataset: str) -> DataLoader:
        """Load the test clips of a dataset, prepared as the test clips of the run."""
        return instantiate(with_test_sets(self.cfg, [dataset]).dataloader.test[dataset])
