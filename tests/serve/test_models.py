"""Several models of one service: their names and hashes, and each job's own masks."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from safetensors.torch import load_file, save_file
from server_processes import ServerProcesses

from lgrseg.client import Client
from lgrseg.inference import Predictor
from lgrseg.inference.pretrained import pretrained_run
from lgrseg.serve.models import load_models
from lgrseg.serve.packed import read_labels
from lgrseg.serve.settings import Settings

FIRST = pretrained_run()
DICOM = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"


@pytest.fixture
def second(tmp_path):
    """A run of the same name, whose classes are one further."""
    run = shutil.copytree(FIRST, tmp_path / "other" / FIRST.name)
    weights = load_file(run / "checkpoints" / "last.safetensors")
    for name in ("head.classify.weight", "head.classify.bias"):
        weights[name] = weights[name].roll(1, 0)
    save_file(weights, run / "checkpoints" / "last.safetensors")
    return run


def hash_of(run):
    return hashlib.sha256((run / "checkpoints" / "last.safetensors").read_bytes()).hexdigest()


def test_every_model_is_loaded_and_listed(second):
    settings = Settings(run=(str(FIRST), str(second)), device="cpu")
    predictors, facts = load_models(settings)
    names = [f"{run.parent.name}/{run.name}" for run in (FIRST, second)]
    assert list(predictors) == [model["name"] for model in facts] == names
    assert [model["sha256"] for model in facts] == [hash_of(FIRST), hash_of(second)]
    assert [Path(predictors[name].members[0].name) for name in names] == [FIRST, second]


@pytest.mark.slow
def test_each_job_has_the_masks_of_its_own_model(tmp_path, second):
    if not DICOM.is_file():
        pytest.skip("this pydicom has no ultrasound clip among its test files")
    with ServerProcesses(tmp_path / "data", run=(FIRST, second)) as server:
        with Client(server.url) as client:
            names = [model.name for model in client.models().models]
            first = client.predict_clip(DICOM, model=names[1])
            jobs = [client.wait(client.segment_again(first.id, model=names[0]).id), first]
            for job, name, run in zip(jobs, names, (FIRST, second), strict=True):
                assert (job.model, job.model_sha256) == (name, hash_of(run))
                facts = json.loads(client.result(job, "measurements.json"))
                assert (facts["model"], facts["model_sha256"]) == (name, hash_of(run))
                report = client.result(job, "report.html").decode()
                assert f"Model: {name}, weights {hash_of(run)}" in report
                masks = np.stack(list(read_labels(client.result(job, "labels.bin"))))
                np.testing.assert_array_equal(masks, Predictor.from_run(run)(DICOM).masks)
            assert client.result(jobs[0], "masks.json") != client.result(jobs[1], "masks.json")
