"""Writes volumes and ejection fraction of a DICOM clip as a DICOM structured report (SR).

The report has a group of measurements for every whole beat, and one with their means. It refers to
the frames of end-diastole and end-systole, belongs to the study of the clip, and is a series of its
own. It is preliminary: nobody has verified it. Values of doubtful beats are not reported.
Format: DICOM PS3.16, TID 1500, with the measures of CID 12200 and 12300.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import lgrseg
from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.inference.dicom_source import (
    ALGORITHM,
    copy_patient_and_study,
    moment_of,
    read_source,
)
from lgrseg.inference.measurements import BeatMeasures, Measurements

_OF_LV = codes.LN
VIEWS = {
    "A4C": (
        _OF_LV.LeftVentricularEndDiastolicVolumeSinglePlane4CMOD,
        _OF_LV.LeftVentricularEndSystolicVolumeSinglePlane4CMOD,
        _OF_LV.LeftVentricularEjectionFractionSinglePlane4CMOD,
    ),
    "A2C": (
        _OF_LV.LeftVentricularEndDiastolicVolumeSinglePlane2CMOD,
        _OF_LV.LeftVentricularEndSystolicVolumeSinglePlane2CMOD,
        _OF_LV.LeftVentricularEjectionFractionSinglePlane2CMOD,
    ),
    "unknown": (
        _OF_LV.LeftVentricularEndDiastolicVolume,
        _OF_LV.LeftVentricularEndSystolicVolume,
        _OF_LV.LeftVentricularEjectionFractionByUS,
    ),
}
"""View, as the user states it -> codes of end-diastolic volume, end-systolic volume and ejection
fraction of the left ventricle."""
UNITS = (Code("mL", "UCUM", "mL"), Code("mL", "UCUM", "mL"), codes.UCUM.Percent)
SERIES_NUMBER = 9002
"""After the numbers of the scanner's own series, and of the segmentation."""
LONGEST_REMARK = 64
"""Characters of a completion flag description."""


def check_view(view: str) -> None:
    """Check that a view is known.

    Raises:
        ValueError: it is not.
        ImportError: highdicom is not installed.
    """
    if view not in VIEWS:
        raise ValueError(f"there is no view {view!r} for a DICOM report; use {', '.join(VIEWS)}")
    try:
        import highdicom  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            "DICOM reports need the package highdicom: pip install 'lgrseg[dicom]'"
        ) from error


def write_dicom_sr(
    path: Path,
    measurements: Measurements,
    *,
    clip: Path,
    view: str,
    made_by: str,
    doubts: Sequence[str] = (),
) -> str:
    """Write the measurements of a clip; the file appears only when it is complete.

    The same measurements of the same clip always give the same bytes, as in `write_dicom_seg`.

    Args:
        path: file to write.
        measurements: beats and ejection fraction of the clip.
        clip: DICOM file of the clip.
        view: name in `VIEWS`. Codes that name a view are used only if the user states it.
        made_by: hash of weights, settings and clip (`mark_of`).
        doubts: reasons why the masks may be wrong.

    Returns:
        The reason why there is no report, in one sentence; empty if it was written.

    Raises:
        ValueError: the clip is not DICOM or lacks its identifiers, or there is no such view.
    """
    check_view(view)
    import highdicom

    source = read_source(clip)
    groups = _groups(measurements, source, view, made_by)
    if not groups:
        path.unlink(missing_ok=True)  # of another view
        return "no DICOM report: there is neither a volume nor an ejection fraction of a whole beat"
    with_study = Dataset()
    copy_patient_and_study(source, with_study)
    for name in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"):
        with_study[name] = source[name]
    parts = [str(source.SOPInstanceUID), made_by, lgrseg.__version__, view, repr(doubts)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of highdicom, about the name of the patient
        report = highdicom.sr.ComprehensiveSR(
            evidence=[with_study],
            content=_content(groups, parts)[0],
            series_instance_uid=generate_uid(entropy_srcs=["report series", *parts]),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(entropy_srcs=["report", *parts]),
            instance_number=1,
            manufacturer=ALGORITHM,
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
    report.SeriesDescription = "Measurements by lgrseg, for research"
    report.ManufacturerModelName = ALGORITHM
    report.DeviceSerialNumber, report.SoftwareVersions = "none", lgrseg.__version__
    report.PreliminaryFlag = "PRELIMINARY"
    remark = f"by an algorithm, not verified; {'; '.join(doubts) or 'no doubts'}"
    report.CompletionFlagDescription = remark[:LONGEST_REMARK]
    _give_moment(report, *moment_of(source))
    with appears_whole(path) as half_done:
        report.save_as(half_done, enforce_file_format=True)
    return ""


def is_own_report(path: Path) -> bool:
    """True if this module wrote a file."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        return header.Modality == "SR" and header.Manufacturer == ALGORITHM
    except Exception:  # no such file, another kind of file, or a damaged one
        return False


def _groups(measurements: Measurements, source: Dataset, view: str, made_by: str) -> list:
    """A group of measurements for every whole beat; of several beats also the means."""
    import highdicom

    beats = [beat for beat in measurements.beats if not beat.problems]
    groups: list[tuple[str, tuple, list[int], Code | None]] = [
        (f"beat {number}", _values(beat), [beat.ed_frame, beat.es_frame], None)
        for number, beat in enumerate(beats, start=1)
    ]
    if len(beats) > 1:
        columns = zip(*(_values(beat) for beat in beats), strict=True)
        means = tuple(_mean(column) for column in columns)
        groups.append((f"mean of {len(beats)} beats", means, [], codes.SCT.Mean))
    algorithm = highdicom.sr.AlgorithmIdentification(
        name=ALGORITHM,
        version=lgrseg.__version__,
        parameters=[made_by],
        family=codes.DCM.ArtificialIntelligence,
    )
    return [
        highdicom.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=highdicom.sr.TrackingIdentifier(
                uid=generate_uid(entropy_srcs=[name, view, made_by]), identifier=name
            ),
            finding_sites=[highdicom.sr.FindingSite(codes.SCT.LeftVentricle)],
            measurements=[
                highdicom.sr.Measurement(
                    name=code,
                    value=round(value, 2),
                    unit=unit,
                    derivation=derivation,
                    method=codes.DCM.MethodOfDisksSinglePlane,
                    algorithm_id=algorithm,
                )
                for code, unit, value in zip(VIEWS[view], UNITS, values, strict=True)
                if value is not None
            ],
            source_images=[_frames_of(source, frames)],
        )
        for name, values, frames, derivation in groups
        if any(value is not None for value in values)
    ]


def _values(beat: BeatMeasures) -> tuple[float | None, float | None, float | None]:
    return beat.edv_ml, beat.esv_ml, beat.ejection_fraction


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _frames_of(source: Dataset, frames: list[int]):
    """A reference to frames of the clip, counted from 0; to the whole clip if there are none."""
    import highdicom

    return highdicom.sr.SourceImageForMeasurementGroup(
        source.SOPClassUID,
        source.SOPInstanceUID,
        [frame + 1 for frame in frames] or None,
    )


def _content(groups: list, parts: list[str]):
    """The tree of the report; `parts` decide its identifiers."""
    import highdicom

    observer = highdicom.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=highdicom.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=["observer", parts[1]]), name=ALGORITHM
        ),
    )
    return highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.Echocardiography,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )


def _give_moment(report: Dataset, day: str, moment: str) -> None:
    """Date the report like its clip, so that the same content gives the same file."""
    report.ContentDate, report.ContentTime = day, moment
    for name in ("InstanceCreationDate", "InstanceCreationTime", "SeriesDate", "SeriesTime"):
        if name in report:
            delattr(report, name)
    for equipment in report.get("ContributingEquipmentSequence", ()):  # highdicom and its time
        del equipment.ContributionDateTime
