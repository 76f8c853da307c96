"""Results of the whole service against known truth: a simulated heart, boxes on a bright disc."""

import json

import nibabel
import numpy as np
import pytest
from bright_disc import ROOT, disc_clip
from disc_box_run import CLASS, LABEL, box_run
from server_processes import ServerProcesses

from lgrseg.client import Client, ServiceProblem
from lgrseg.data.phantom.apical_patients import apical_scan
from lgrseg.evaluation.frame_scores import measure_heart
from lgrseg.inference import Predictor
from lgrseg.inference.pretrained import pretrained_run
from lgrseg.structures.box_prompts import BoxPrompt

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    with ServerProcesses(folder / "data", box_run=box_run(folder / "boxes")) as made:
        yield made


@pytest.fixture
def client(server):
    with Client(server.url) as made:
        yield made


def save(path, frames, mm):
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([mm, mm, 1, 1])), path)
    return path


def read_masks(path):
    return np.asarray(nibabel.load(path).dataobj).T


def box_around(disc, margin=1):
    rows, columns = (np.flatnonzero(disc.any(axis)) for axis in (1, 0))
    return (
        float(columns[0] - margin),
        float(rows[0] - margin),
        float(columns[-1] + 1 + margin),
        float(rows[-1] + 1 + margin),
    )


def test_boxes_segment_the_clip_again(server, client, tmp_path):
    frames, discs = disc_clip(6, (96, 128), seed=99)
    first = client.predict_clip(save(tmp_path / "disc.nii.gz", frames, 0.5))
    box = box_around(discs[0])
    job = client.wait(client.prompts(first.id, [{"frame": 0, "box": box, "class": CLASS}]).id)
    assert (job.state, job.model, job.parent, job.frames) == ("done", "prompts", first.id, 6)
    assert client.job(first.id).state == "done"
    (path,) = client.save_results(job, tmp_path / "out", names=["masks.nii.gz"])
    masks = read_masks(path)
    assert set(np.unique(masks)) == {0, LABEL + 1}
    for mask, disc in zip(masks, discs, strict=True):
        x0, y0, x1, y1 = map(round, box_around(disc, 4))
        inside = np.zeros(mask.shape, bool)
        inside[y0:y1, x0:x1] = True
        assert not (mask[~inside]).any()
        assert 2 * ((mask > 0) & disc).sum() / ((mask > 0).sum() + disc.sum()) > 0.8
    predictor = Predictor.from_run(server.data.parent / "boxes")
    expected = predictor(tmp_path / "disc.nii.gz", boxes=[BoxPrompt(0, box, LABEL)])
    np.testing.assert_array_equal(masks, expected.masks)


def test_boxes_that_cannot_be_used(client, tmp_path):
    frames, _ = disc_clip(3, (96, 128), seed=5)
    job = client.predict_clip(save(tmp_path / "disc.nii.gz", frames, 0.5))
    for box, told in (
        ({"frame": 3, "box": [1, 1, 9, 9], "class": CLASS}, "frames are 0 to 2"),
        ({"frame": 0, "box": [1, 1, 9, 9], "class": "liver"}, "no class 'liver'"),
    ):
        with pytest.raises(ServiceProblem, match=told) as caught:
            client.prompts(job.id, [box])
        assert caught.value.problem.status == 422


def test_ejection_fraction_of_a_simulated_heart(client, tmp_path):
    scan = apical_scan(3, 0)
    frames = scan.frames(list(range(2 * scan.heart.cycle)))
    clip = save(tmp_path / "heart.nii.gz", frames, scan.mm_per_pixel)
    job = client.predict_clip(clip, output=tmp_path / "out")
    result = Predictor.from_pretrained()(clip)
    assert job.ejection_fraction == result.ejection_fraction is not None
    np.testing.assert_array_equal(read_masks(tmp_path / "out/heart_masks.nii.gz"), result.masks)
    truth = 100 * scan.heart.ejection_fraction()
    print(f"\ntrue ejection fraction {truth:.1f} %, of the service {job.ejection_fraction:.1f} %")
    assert job.ejection_fraction == pytest.approx(truth, abs=10)

    end_systole = scan.heart.end_systole
    facts = json.loads(client.result(job, "measurements.json"))
    assert facts["model"] == pretrained_run().name and str(ROOT) not in json.dumps(facts)
    assert facts["spacing_mm"] == pytest.approx([scan.mm_per_pixel] * 2)
    corrected = client.correct_beats(job.id, [(0, end_systole)])
    classes, roles = result.metadata.classes, result.metadata.roles
    volumes = []
    for frame in (0, end_systole):
        chambers = measure_heart(result.masks[frame], classes, result.video.spacing_mm, roles)
        volumes.append(chambers["left_ventricle"].volume_ml)
    (beat,) = corrected.corrected
    assert [beat.edv_ml, beat.esv_ml] == pytest.approx(volumes, abs=1e-4)
    expected = 100 * (volumes[0] - volumes[1]) / volumes[0]
    assert corrected.ejection_fraction == pytest.approx(expected, abs=1e-3)
    assert corrected.original_ejection_fraction == result.ejection_fraction
    assert client.job(job.id).ejection_fraction == corrected.ejection_fraction
    assert client.correct_beats(job.id, None).ejection_fraction == result.ejection_fraction
