"""An archive of clips of bright discs, and the tiny U-Net that finds them."""

import pytest
from bright_disc import disc_clip, learnt_run

from lgrseg.visualization.overlays import write_mp4


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return learnt_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def archive(tmp_path):
    """Two clips, a copy of the first, a broken file, and a file that is no clip."""
    folder = tmp_path / "archive"
    for seed in range(2):
        frames, _ = disc_clip(3, seed=seed)
        write_mp4(folder / "site" / f"{seed}.mp4", frames[..., None].repeat(3, -1), fps=10)
    (folder / "copy.mp4").write_bytes((folder / "site" / "0.mp4").read_bytes())
    (folder / "broken.mp4").write_bytes(b"no film")
    (folder / "notes.pdf").write_bytes(b"")
    return folder
