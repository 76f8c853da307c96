"""classes.yaml: names, values, colours and roles, and what is refused of them."""

import numpy as np
import pytest

from lgrseg.data.class_list import COLORS, check_roles, read_class_list
from lgrseg.data.raw_video import UnusableVideo


def read(tmp_path, text):
    file = tmp_path / "classes.yaml"
    file.write_text(text)
    return read_class_list(file)


def test_a_list_is_in_the_order_of_values(tmp_path):
    classes = read(tmp_path, "[left_ventricle, myocardium]")
    assert classes.names == ("left_ventricle", "myocardium")
    assert classes.index_of_value == {0: 0, 1: 1, 2: 2}
    assert classes.colors == COLORS[:2] and classes.roles == {"left_ventricle": "left_ventricle"}
    other = read(tmp_path, "left_ventricle: {}\nlv: {role: left_ventricle}")
    assert other.roles == {"left_ventricle": "lv"}  # what is written counts more than a name
    spaced = read(tmp_path, "[Left Ventricle, LA]")
    assert spaced.roles == {"left_ventricle": "Left Ventricle"}


FULL = """
lv_cavity: {value: [1, 6], role: left_ventricle, color: [1, 2, 3], names: [LV]}
calipers: {value: 4, role: background}
la: 3
"""


def test_a_mapping_says_more(tmp_path):
    classes = read(tmp_path, FULL)
    assert classes.names == ("lv_cavity", "la")
    assert classes.colors == ((1, 2, 3), COLORS[1])
    assert classes.roles == {"left_ventricle": "lv_cavity"}
    values = np.array([[0, 1, 6], [4, 3, 0]])
    mapped = classes.map_values(values, source="a.nii.gz")
    np.testing.assert_array_equal(mapped, [[0, 1, 1], [0, 2, 0]])
    assert mapped.dtype == np.uint8
    labels = ("LV", "lv-cavity", "LA ", "Calipers")
    assert [classes.index_of(label, source="a.xml") for label in labels] == [1, 1, 2, 0]


def test_what_is_unknown_is_refused_with_what_is_known(tmp_path):
    classes = read(tmp_path, FULL)
    known = r"holds the value 2, 9; classes.yaml has 0 \(background\), 1 \(lv_cavity\), 3 \(la\)"
    with pytest.raises(UnusableVideo, match=known):
        classes.map_values(np.array([[2, 9]]), source="a.nii.gz")
    with pytest.raises(UnusableVideo, match="draws 'RV'; classes.yaml has lv_cavity, la"):
        classes.index_of("RV", source="a.xml")


def test_names_stay_in_order(tmp_path):
    """An order that changes from process to process would prepare every clip again."""
    classes = read(tmp_path, "lv: {names: [LV, g, f, e, d, c, b, a]}")
    assert list(classes.index_of_label) == ["lv", *"gfedcba"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lv: {role: left_ventrikel}", "no role 'left_ventrikel'; did you mean 'left_ventricle'"),
        ("[lv, la, lv]", "names 'lv' more than once: each of the values"),
        ("[lv, no]", "classes.yaml: False is no name; write .* in quotes"),
        ("no: {value: 1}", "classes.yaml: False is no name; write .* in quotes"),
        ("null: {value: 1}", "classes.yaml: None is no name; write .* in quotes"),
        ("lv: {names: [LV, no]}", "lv: False is no name; write .* in quotes"),
        ("lv: {names: ''}", "lv: '' is no name"),
        ("lv: {names: {a: b}}", "lv: {'a': 'b'} is no name"),
        ("lv: {role: aorta}", "the roles are left_ventricle, left_atrium, and background"),
        ("lv: {valeu: 1}", "there is no 'valeu'; did you mean 'value'"),
        ("lv: {value: 0}", "value must be a whole number from 1"),
        ("lv: {value: 1}\nla: {value: 1}", "the value 1 belongs to 'la' and to another"),
        ("lv: {role: left_atrium}\nla: {role: left_atrium}", "'lv' and 'la' have the same role"),
        ("lv: {names: [LA]}\nla: {}", "the name 'la' stands for 'la' and another"),
        ("lv: {color: [1, 2]}", r"color must be \[red, green, blue\]"),
        ("lv: {color: [0, 0, 0]}", "has the colour"),
        ("lv: {role: background}", "every structure has the role background"),
        ("lv", "must be a list of names, such as"),
        ("- lv: {value: 1}", "must be a list of names, such as.*it is .*'lv'"),
        ("", "must be a list of names, such as"),
        ("[lv", "is not a YAML file"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_a_list_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no class list .*classes.yaml: write one"):
        read_class_list(tmp_path / "classes.yaml")


def test_roles_are_of_classes_that_are_there():
    check_roles({"left_ventricle": "lv"}, ("lv",))
    with pytest.raises(ValueError, match="the classes are lv"):
        check_roles({"left_ventricle": "la"}, ("lv",))
