"""Beats corrected by hand: new volumes and ejection fraction, without a model.

measurements.json has the volume of the left ventricle in every frame, so a corrected beat only
looks up two of them. The measured beats are kept.
"""

from statistics import fmean
from typing import Any

from lgrseg.client.records import Beat, Beats
from lgrseg.serve.job_store import StoredJob
from lgrseg.serve.problems import ServiceError


def corrected_beats(facts: dict[str, Any], frames: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Measure beats of corrected frames.

    Args:
        facts: content of measurements.json.
        frames: end-diastolic and end-systolic frame of every beat.

    Raises:
        ServiceError: 422 a frame does not exist or is used twice, 409 there is no left ventricle.
    """
    ventricle = facts.get("left_ventricle")
    if ventricle is None:
        raise ServiceError(409, "no_ventricle", "the model has no class for the left ventricle")
    last = facts["frames"] - 1
    for frame in (frame for pair in frames for frame in pair):
        if not 0 <= frame <= last:
            raise ServiceError(422, "no_such_frame", f"frame {frame}: frames are 0 to {last}")
    if len({pair for pair in frames}) < len(frames) or any(ed == es for ed, es in frames):
        raise ServiceError(422, "bad_beats", "end-diastole and end-systole are different frames")
    return [_beat(ventricle, ed, es) for ed, es in frames]


def _beat(ventricle: dict[str, Any], ed: int, es: int) -> dict[str, Any]:
    edv, esv = ventricle["volumes"][ed], ventricle["volumes"][es]
    phases = (("ED", ed), ("ES", es))
    problems = [
        f"{phase}: {text}" for phase, frame in phases for text in ventricle["problems"][frame]
    ]
    fraction = None
    if edv is not None and esv is not None and 0 <= esv <= edv and edv > 0:
        fraction = 100 * (edv - esv) / edv
    elif edv is not None and esv is not None:
        problems.append("the end-systolic volume is larger than the end-diastolic one")
    known = ventricle["volume_unit"] == "ml"
    return {
        "ed_frame": ed,
        "es_frame": es,
        "edv_ml": edv if known else None,
        "esv_ml": esv if known else None,
        "ejection_fraction": fraction,
        "problems": problems,
    }


def mean_ejection(beats: list[dict[str, Any]]) -> float | None:
    """Mean ejection fraction; a person has chosen the beats, so doubtful ones count."""
    known = [beat["ejection_fraction"] for beat in beats if beat["ejection_fraction"] is not None]
    return fmean(known) if known else None


def ejection_of_job(job: StoredJob) -> float | None:
    """The ejection fraction of a job, with its corrections."""
    if job.corrections is not None:
        return mean_ejection(job.corrections)
    return job.summary.get("ejection_fraction")


def beats_of(job: StoredJob, facts: dict[str, Any]) -> Beats:
    """Original and corrected beats of a finished job."""
    corrected = job.corrections
    return Beats(
        original=[Beat(**beat) for beat in facts["beats"]],
        original_ejection_fraction=facts["ejection_fraction"],
        corrected=None if corrected is None else [Beat(**beat) for beat in corrected],
        ejection_fraction=ejection_of_job(job),
    )
