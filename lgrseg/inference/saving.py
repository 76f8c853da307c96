"""Writes the files of a result: masks, film, preview, measurements and DICOM objects."""

import json
from pathlib import Path

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.io.mask_files import write_masks
from lgrseg.data.io.placement import affine_of_file, affine_without_place
from lgrseg.inference.film import write_film
from lgrseg.inference.measured_clip import MeasuredClip
from lgrseg.inference.result_files import ResultFiles
from lgrseg.visualization.overlays import write_png


def save_result(result: MeasuredClip, files: ResultFiles) -> dict:
    """Write all files of a result, and replace existing ones.

    The masks are written first, so they are complete even if another file cannot be made.

    Returns:
        Content of the measurements file.
    """
    for path in files.all[1:]:  # they belong to the masks that are replaced
        path.unlink(missing_ok=True)
    if files.dicom_seg_made_by() is not None:
        files.dicom_seg.unlink()
    if files.has_own_report():
        files.dicom_sr.unlink()
    spacing_mm = result.video.spacing_mm
    write_masks(
        files.masks,
        result.masks,
        shape=result.masks.shape,
        affine=affine_of_file(result.path, spacing_mm)
        if result.path
        else affine_without_place(spacing_mm),
        made_by=result.made_by,
    )
    return complete_files(result, files)


def complete_files(result: MeasuredClip, files: ResultFiles) -> dict:
    """Write the missing files of existing masks, and always the measurements.

    Returns:
        Content of the measurements file.
    """
    if not files.film.exists():
        why_not = write_film(
            files.film,
            result.video.frames,
            result.masks,
            metadata=result.metadata,
            fps=result.video.fps,
        )
        result.clip_notes += [why_not] if why_not else []
    if not files.preview.exists():
        write_png(files.preview, result.preview())
    if files.with_dicom_seg and files.dicom_seg_made_by() != result.made_by:
        _write_dicom_seg(result, files.dicom_seg)
    if files.view is not None:
        _write_dicom_sr(result, files.dicom_sr, files.view)
    facts = facts_of(result)
    with appears_whole(files.measurements) as half_done:
        half_done.write_text(json.dumps(facts, indent=1, allow_nan=False), encoding="utf-8")
    return facts


def _write_dicom_seg(result: MeasuredClip, path: Path) -> None:
    from lgrseg.inference.dicom_seg import write_dicom_seg  # loads pydicom

    assert result.path is not None  # `ResultFiles.check_clip`
    write_dicom_seg(
        path, result.masks, clip=result.path, metadata=result.metadata, made_by=result.made_by
    )


def _write_dicom_sr(result: MeasuredClip, path: Path, view: str) -> None:
    from lgrseg.inference.dicom_sr import write_dicom_sr  # loads pydicom and highdicom

    assert result.path is not None  # `ResultFiles.check_clip`
    why_not = write_dicom_sr(
        path,
        result.measurements,
        clip=result.path,
        view=view,
        made_by=result.made_by,
        doubts=result.doubts,
    )
    result.clip_notes += [why_not] if why_not else []


def facts_of(result: MeasuredClip) -> dict:
    """Content of NAME_measurements.json: plain numbers, texts, lists and dicts."""
    video = result.video
    measured = result.measurements.as_dict()
    measured.pop("notes")
    return {
        "clip": result.name,
        "file": str(result.path) if result.path else None,
        "model": result.model,
        "made_by": result.made_by,
        "classes": list(result.metadata.classes),
        "frames": len(result.masks),
        "size": list(result.masks.shape[1:]),
        "spacing_mm": list(video.spacing_mm) if video.spacing_mm else None,
        "fps": video.fps,
        **measured,
        "doubts": result.doubts,
        "notes": result.notes,
    }
