"""The wheel is whole; and, installed alone in a folder elsewhere, it trains and predicts (slow).

The empty environment sees the packages of this one, but not its installation of lgrseg: a .pth file
that leads to another site-packages does not run the .pth files in there.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from three_scans import prepare_three_scans

ROOT = Path(__file__).parents[1]
PROGRAM = """
import importlib, pkgutil, sys
from pathlib import Path
import lgrseg

clip, *short = sys.argv[1:]
home = Path(lgrseg.__file__).parent
assert home.is_relative_to(sys.prefix), f"{home} is not the wheel's"
modules = [module.name for module in pkgutil.walk_packages(lgrseg.__path__, "lgrseg.")]
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name in ("triton", "timm", "peft", "psycopg"), error  # extras

from lgrseg.command import main

def command(name, *words):
    sys.argv = ["lgrseg", name, *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, f"lgrseg {name} ended with status {end.code}"

assert (home / "py.typed").is_file()
assert (home / "pretrained/apical_simulated/checkpoints/last.safetensors").is_file()
command("train", "--config-file", "configs/lgrnet/demo.py", *short)
command("predict", "--run", "output/demo", "--input", clip, "--output", "out")
command("compare-runs", "output/demo", "output/demo")
print(*modules, sep="\\n")
"""
SHORT = [
    "train.max_iter=2",
    "train.eval_period=0",
    "train.checkpoint_period=0",
    "train.export_videos=0",
    "dataloader.train.mapper.input_size=[32,32]",
    "dataloader.test.phantom_demo_val.mapper.input_size=[32,32]",
    "dataloader.test.phantom_demo_test.mapper.input_size=[32,32]",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the sources, without a network."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("lgrseg", "tools", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = (
        f"from setuptools import build_meta; build_meta.build_wheel({str(place)!r})"  # as pip does
    )
    python(["-c", build], cwd=source)
    (built,) = place.glob("lgrseg-*.whl")
    return built


def python(words, cwd):
    done = subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_of_the_sources_is_in_the_wheel(wheel):
    """The package with its data, and the tools and configs, which lie in it once installed."""
    with zipfile.ZipFile(wheel) as content:
        packed = set(content.namelist())
    sources = [path for path in (ROOT / "lgrseg").rglob("*") if path.is_file()]
    names = {p.relative_to(ROOT).as_posix() for p in sources if "__pycache__" not in p.parts}
    for folder in ("tools", "configs"):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        names |= {f"lgrseg/{name}" for name in files}
    assert len(names) > 500 and names - packed == set()
    assert any(name.endswith(".dist-info/entry_points.txt") for name in packed)  # of `lgrseg`


@pytest.mark.slow
def test_the_wheel_alone_trains_and_predicts(wheel, tmp_path):
    place = tmp_path / "environment"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(place)
    variables = {"base": str(place), "platbase": str(place)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=variables))
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    python([*pip, "--target", str(packages), str(wheel)], cwd=tmp_path)
    parents = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "parent.pth").write_text("\n".join(sorted(parents)))

    work = tmp_path / "work"
    clip = prepare_three_scans(work)

    strange = ("PYTHONPATH", "LGRSEG_DATASETS", "LGRSEG_TRUSTED")
    environment = {k: v for k, v in os.environ.items() if k not in strange}
    done = subprocess.run(
        [place / "bin" / "python", "-c", PROGRAM, clip, *SHORT],
        cwd=work,
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert (work / "out" / "patient1-4_image_masks.nii.gz").is_file(), done.stdout
    assert (work / "out" / "measurements.csv").is_file()
    shown = subprocess.run(
        [place / "bin" / "python", packages / "bin" / "lgrseg", "--help"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "compare-runs" in shown.stdout, shown.stderr
    # Nothing of the sources is left out of it.
    sources = [path.relative_to(ROOT) for path in ROOT.glob("lgrseg/**/*.py")]
    dotted = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sources}
    assert dotted - {"lgrseg"} == {word for word in done.stdout.split() if "lgrseg." in word}
