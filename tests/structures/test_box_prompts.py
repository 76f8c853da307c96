"""lgrseg/structures/box_prompts.py: every box that cannot be meant is refused with its reason."""

import json

import pytest

from lgrseg.structures.box_prompts import (
    BoxPrompt,
    PromptError,
    check_prompts,
    parse_box,
    read_boxes,
)

CLASSES = ("left_ventricle", "left_atrium")
VIDEO = {"num_frames": 10, "size": (100, 200), "classes": CLASSES}
GOOD = BoxPrompt(0, (10, 20, 60, 80), 0)


def test_good_boxes_pass():
    several = [GOOD, BoxPrompt(0, (0, 0, 5, 5), 1), BoxPrompt(9, (1, 1, 2, 2), 0)]
    larger_than_the_frame = [BoxPrompt(0, (-10, -10, 300, 300), 0)]
    for prompts in (several, larger_than_the_frame):
        assert check_prompts(prompts, **VIDEO) is None


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([], "no box prompt"),
        ([BoxPrompt(0, (10, 20, 60, 80), 2)], "class 2 does not exist; classes are 0 to 1"),
        ([BoxPrompt(10, (10, 20, 60, 80), 0)], "frames are 0 to 9"),
        ([BoxPrompt(-1, (10, 20, 60, 80), 0)], "frames are 0 to 9"),
        ([BoxPrompt(0, (60, 20, 10, 80), 0)], r"\(left_ventricle\) has no area"),
        ([BoxPrompt(0, (10, 20, 10, 80), 0)], "has no area"),
        ([BoxPrompt(0, (10, 20, float("inf"), 80), 0)], "inf, 80. on frame 0 .* numbers of pixels"),
        ([BoxPrompt(0, (float("nan"), 20, 30, 80), 0)], "numbers of pixels"),
        ([BoxPrompt(0, (200, 20, 260, 80), 0)], "outside the frame of 200 x 100"),
        ([BoxPrompt(0, (-9, -9, 0, 50), 0)], "outside the frame"),
        ([GOOD, BoxPrompt(0, (20, 20, 30, 30), 0)], "second box of this class on this frame"),
    ],
)
def test_bad_boxes_are_refused(prompts, told):
    with pytest.raises(PromptError, match=told):
        check_prompts(prompts, **VIDEO)


def test_boxes_of_the_command_line():
    assert parse_box("3, 1,2.5,30,40,left_atrium", CLASSES) == BoxPrompt(3, (1, 2.5, 30, 40), 1)
    assert parse_box("3,1,2,30,40,0", CLASSES).label == 0
    for text, told in (
        ("1,2,3,4", "frame,x0,y0,x1,y1,class"),
        ("a,1,2,3,4,0", "invalid literal"),
        ("0,1,2,3,4,left_ventrikle", "did you mean 'left_ventricle'"),
        ("0,1,2,3,4,7", "no class '7'"),
    ):
        with pytest.raises(PromptError, match=told):
            parse_box(text, CLASSES)


def test_boxes_of_a_file(tmp_path):
    file = tmp_path / "boxes.json"
    entry = {"frame": 2, "box": [1, 2, 3, 4], "class": "left_atrium"}
    file.write_text(json.dumps([entry]))
    assert read_boxes(file, CLASSES) == [BoxPrompt(2, (1, 2, 3, 4), 1)]
    odd = [{"box": [1, 2]}, {"box": "1234"}, {"frame": 2.9}, {"frame": True}, {"frame": "x"}]
    for wrong in ("{", "[1]", '[{"frame": 1}]', *(json.dumps([entry | one]) for one in odd)):
        file.write_text(wrong)
        with pytest.raises(PromptError):
            read_boxes(file, CLASSES)
