"""The config and the checkpoint of a run that are used for prediction."""

from pathlib import Path


def run_files(run: Path, weights: str | Path | None = None) -> tuple[Path, Path]:
    """Find the config and a checkpoint of a run.

    Args:
        run: folder of the run.
        weights: "best", "last", or a file; None takes the best checkpoint if there is one,
            otherwise the last.

    Raises:
        FileNotFoundError: the folder has no config, or no such checkpoint.
    """
    config, checkpoints = run / "config.yaml", run / "checkpoints"
    if not config.is_file():
        raise FileNotFoundError(
            f"{run} is no run: it has no config.yaml. Give the output folder of a training "
            "(train.output_dir)"
        )
    if weights is None:
        files = [checkpoints / "best.safetensors", checkpoints / "last.safetensors"]
    elif weights in ("best", "last"):
        files = [checkpoints / f"{weights}.safetensors"]
    else:
        files = [Path(weights)]
    for file in files:
        if file.is_file():
            return config, file
    raise FileNotFoundError(
        f"{run} has no checkpoint {' or '.join(map(str, files))}: wait until the training has "
        "written it, or name a file with weights="
    )
