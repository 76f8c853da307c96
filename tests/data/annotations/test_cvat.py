"""CVAT's XML, written as CVAT's documentation of version 1.1 describes it."""

from xml.etree import ElementTree

import numpy as np
import pytest
from annotated import (
    ATRIUM,
    BOTH,
    VENTRICLE,
    assert_same,
    masks_in,
    write_clip,
    write_frames,
)

from lgrseg.data.annotations import find_annotations
from lgrseg.data.raw_video import UnusableVideo


def document(source="a.nii.gz", height=40, width=60):
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    meta = ElementTree.SubElement(root, "meta")
    task = ElementTree.SubElement(meta, "task")
    for name, text in {"id": "7", "name": "hearts", "source": source, "start_frame": "0"}.items():
        ElementTree.SubElement(task, name).text = text
    size = ElementTree.SubElement(task, "original_size")
    ElementTree.SubElement(size, "width").text = str(width)
    ElementTree.SubElement(size, "height").text = str(height)
    return root


def add_track(root, label, shapes):
    track = ElementTree.SubElement(root, "track", id="0", label=label, source="manual")
    for tag, frame, facts in shapes:
        usual = {"frame": frame, "outside": 0, "occluded": 0, "keyframe": 1, "z_order": 0}
        ElementTree.SubElement(track, tag, {k: str(v) for k, v in (usual | facts).items()})


def corners(top, left, bottom, right):
    return {"points": f"{left:.2f},{top}.00;{right},{top};{right},{bottom};{left},{bottom}"}


def run_lengths(mask):
    """As CVAT writes a mask: row by row within its box, background first."""
    rows, columns = np.nonzero(mask)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    runs, value = [0], 0
    for pixel in mask[top:bottom, left:right].ravel().astype(int):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    return box | {"rle": ", ".join(map(str, runs))}


LV, LA = corners(5, 10, 20, 30), corners(22, 12, 30, 28)


def save(root_element, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root_element).write(path, encoding="utf-8", xml_declaration=True)


def test_tracks_of_polygons_from_frame_0_on(root):
    write_clip(root / "a.nii.gz")
    xml = document()
    shapes = [
        ("polygon", 0, LV),
        ("polygon", 1, LV | {"keyframe": 0}),
        ("polygon", 2, LV | {"outside": 1}),
        ("polygon", 5, LV),
    ]
    add_track(xml, "LV", shapes)
    add_track(xml, "Left atrium", [("polygon", 5, LA)])
    save(xml, root / "export" / "annotations.xml")
    notes = []
    expected = {0: VENTRICLE, 1: VENTRICLE, 5: BOTH}
    assert_same(masks_in(root, "a", notes=notes), expected)
    assert notes == ["annotations.xml: 1 of 4 shapes are interpolated by CVAT"]


def test_masks_as_run_lengths(root):
    write_clip(root / "case" / "a.nii.gz")
    xml = document(source="other name.mp4")
    ring = VENTRICLE & ~np.roll(ATRIUM, -14, axis=0)
    add_track(xml, "ventricle", [("mask", 3, run_lengths(ring))])
    save(xml, root / "case" / "annotations.xml")
    assert_same(masks_in(root, "case/a"), {3: ring})


def test_what_lies_above_is_drawn_later(root):
    write_clip(root / "a.nii.gz")
    xml = document()
    add_track(xml, "left_atrium", [("polygon", 0, LV | {"z_order": 1})])
    add_track(xml, "ventricle", [("polygon", 0, LV)])
    save(xml, root / "a.xml")
    assert_same(masks_in(root, "a"), {0: 2 * VENTRICLE})


def test_images_are_frames_by_their_names(root):
    write_frames(root / "a", ["f10.png", "f20.png", "f30.png"])
    xml = document(source="")
    image = ElementTree.SubElement(xml, "image", id="0", name="a/f20.png", width="60", height="40")
    ElementTree.SubElement(image, "polygon", label="LV", **LV)
    save(xml, root / "a.xml")
    assert_same(masks_in(root, "a"), {1: VENTRICLE})


def test_tasks_of_a_project_belong_to_clips_by_their_source(root):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_clip(root / name)
    xml = document()
    tasks = xml.find("meta")
    tasks.append(document(source="b.nii.gz").find("meta/task"))
    tasks[1].find("id").text = "8"
    add_track(xml, "LV", [("polygon", 1, LV)])
    add_track(xml, "LV", [("polygon", 2, LV)])
    for track, task in zip(xml.iter("track"), ("7", "8"), strict=True):
        track.set("task_id", task)
    save(xml, root / "project.xml")
    assert_same(masks_in(root, "a"), {1: VENTRICLE})
    assert_same(masks_in(root, "b"), {2: VENTRICLE})


@pytest.mark.parametrize(
    ("tag", "frame", "facts", "message"),
    [
        ("box", 2, {"xtl": 1, "ytl": 1, "xbr": 9, "ybr": 9}, "frame 2 holds a box, which does"),
        ("polyline", 0, LV, "holds a polyline"),
        ("polygon", 6, LV, "frame 6, the clip has the frames 0 to 5"),
        ("polygon", 0, {"points": "1,2;3"}, "points are not of the form x,y"),
        ("polygon", 0, corners(5, 10, 20, 300), r"beyond the picture of 60 x 40"),
        ("mask", 0, {"rle": "1, 2", "left": 0, "top": 0, "width": 2, "height": 2}, "of 3 pixels"),
    ],
)
def test_what_cannot_be_drawn_is_refused(root, tag, frame, facts, message):
    write_clip(root / "a.nii.gz")
    xml = document()
    add_track(xml, "LV", [(tag, frame, facts)])
    save(xml, root / "a.xml")
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_another_size_and_another_label_are_refused(root):
    write_clip(root / "a.nii.gz")
    save(document(height=80), root / "a.xml")
    with pytest.raises(UnusableVideo, match=r"80 x 60 \(rows x columns\), the clip has 40 x 60"):
        masks_in(root, "a")
    xml = document()
    add_track(xml, "ventricel", [("polygon", 0, LV)])
    save(xml, root / "a.xml")
    with pytest.raises(UnusableVideo, match="draws 'ventricel'; did you mean 'ventricle'"):
        masks_in(root, "a")


def test_files_that_are_no_annotation_are_named(root):
    write_clip(root / "a.nii.gz")
    write_clip(root / "b.nii.gz")
    (root / "cut.xml").write_text("<annotations>")
    (root / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    (root / "other.xml").write_text("<html/>")
    save(document(source="c.mp4"), root / "far.xml")
    problems = find_annotations(root).problems
    assert "not XML, or is truncated" in problems["cut.xml"]
    assert "defines XML entities" in problems["bomb.xml"]
    assert "begins with <html>" in problems["other.xml"]
    assert "belongs to c.mp4, which is not a clip here" in problems["far.xml"]
