"""A finished run, loaded to be tested on datasets."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from torch.utils.data import DataLoader

from lgrseg.config import instantiate, load_config
from lgrseg.engine.test_sets import name_tests_by_dataset, with_test_sets
from lgrseg.inference.members import Member
from lgrseg.inference.result_files import mark_of
from lgrseg.inference.run_files import run_files


class LoadedRun:
    """A finished run with its config, and its model in evaluation mode."""

    def __init__(
        self,
        run: Path,
        *,
        name: str = "",
        weights: str | Path | None = None,
        device: str = "auto",
        tta: bool = False,
        imports: Sequence[str] = (),
        trusted: Sequence[str] = (),
    ):
        """Load a run.

        Args:
            run: folder of the run.
            name: name of the run in tables; by default its folder.
            weights: "best" or "last" checkpoint; None takes the best one if there is one, otherwise
                the last.
            device: "cpu", "cuda", or "auto" for a GPU if there is one.
            tta: True for test-time augmentation.
            imports: names of modules to import first, as with --import.
            trusted: names of your own packages that the config may call, as with --trust.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
            ValueError: the run predicts no masks.
        """
        config, file = run_files(run, weights)
        overrides = [f"train.device={device}"]
        cfg = load_config(config, overrides, imports=imports, trusted=trusted)
        self.name = name or str(run)
        self.cfg: DictConfig = name_tests_by_dataset(cfg)
        self.member = Member.load(self.cfg, file, name=self.name, tta=tta)
        self.made_by = mark_of(self.member.made_with)

    def loader(self, dataset: str) -> DataLoader:
        """Load the test clips of a dataset, prepared as the test clips of the run."""
        return instantiate(with_test_sets(self.cfg, [dataset]).dataloader.test[dataset])
