"""The structures of your own dataset: names, values in masks, colours and roles.

A file classes.yaml is a list of names in the order of the masks' values 1, 2, ...:

    [left_ventricle, myocardium, left_atrium]

or a mapping with more details:

    lv_cavity:  {value: 1, role: left_ventricle, color: [230, 75, 53], names: [LV, LV endo]}
    la:         {value: [3, 7], role: left_atrium}
    calipers:   {value: 4, role: background}

`value` is the number of the structure in files of numbers (NIfTI, PNG); several numbers become one
structure. `names` are further names of the structure in files of names (CVAT, 3D Slicer, COCO,
LabelMe, DICOM SEG); upper case, spaces and underscores make no difference. `role` states which
chamber it is, so that the ejection fraction can be measured; a structure that is called
left_ventricle or left_atrium needs none. A structure with the role `background` is ignored.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrseg.config.suggestions import did_you_mean
from lgrseg.data.raw_video import UnusableVideo

ROLES = ("left_ventricle", "left_atrium")
"""Chambers on which volumes and the ejection fraction are measured."""
BACKGROUND = "background"
COLORS = (
    (230, 75, 53),
    (77, 187, 213),
    (0, 160, 135),
    (243, 155, 34),
    (60, 84, 136),
    (145, 209, 194),
    (126, 97, 72),
    (220, 0, 120),
)
"""RGB colours for structures without a `color`, used in this order."""
KEYS = ("value", "color", "role", "names")


@dataclass(frozen=True)
class ClassList:
    """Structures in the order in which a model predicts them."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    roles: dict[str, str]
    """Role -> name of the structure."""
    index_of_value: dict[int, int]
    """Value in files of numbers -> value in prepared masks: 0 background, k + 1 for class k."""
    index_of_label: dict[str, int]
    """Name in files of names, as `plain_name` writes it -> value in prepared masks."""
    index_of_color: dict[tuple[int, int, int], int]
    """RGB in files of colours -> value in prepared masks; only for structures with a `color`."""

    def map_values(self, values: np.ndarray, *, source: str) -> np.ndarray:
        """Convert the whole numbers of a file to a prepared mask, uint8.

        Raises:
            UnusableVideo: a value belongs to no structure.
        """
        present = np.unique(values)
        unknown = [value for value in present.tolist() if value not in self.index_of_value]
        if unknown:
            shown = ", ".join(f"{value:g}" for value in unknown[:6]) + ", ..." * (len(unknown) > 6)
            raise UnusableVideo(
                f"{source} holds the value {shown}; classes.yaml has {self._known_values()}. "
                "Add it there, with `role: background` if it should be ignored"
            )
        table = np.array([self.index_of_value[value] for value in present.tolist()], np.uint8)
        return table[np.searchsorted(present, values)]

    def index_of(self, label: str, *, source: str) -> int:
        """The value of a structure in prepared masks, by its name; 0 if the structure is ignored.

        Raises:
            UnusableVideo: no structure has this name.
        """
        index = self.index_of_label.get(plain_name(label))
        if index is None:
            raise UnusableVideo(
                f"{source} draws {label!r}{did_you_mean(label, self.names)}; classes.yaml has "
                f"{', '.join(self.names)}. Add it to the `names` of a structure there, or as a "
                "structure with `role: background` if it should be ignored"
            )
        return index

    def _known_values(self) -> str:
        names = (BACKGROUND, *self.names)
        known = sorted(self.index_of_value.items())
        return ", ".join(f"{value} ({names[index]})" for value, index in known)


def plain_name(label: str) -> str:
    """The form in which names are compared: 'Left Ventricle' and 'left_ventricle' are equal."""
    return re.sub(r"[\s_\-]+", "_", str(label).strip().lower())


def read_class_list(file: Path) -> ClassList:
    """Read the structures in a classes.yaml.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file does not have the form above; the message has the reason.
    """
    import yaml

    if not file.is_file():
        raise FileNotFoundError(
            f"there is no class list {file}: write one with the names in the order of "
            "the masks' values 1, 2, ..., such as [left_ventricle, left_atrium]"
        )
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not a YAML file: {str(error).splitlines()[0]}") from error
    if isinstance(content, list | dict):
        _check_names((name for name in content if not isinstance(name, dict)), str(file))
    if isinstance(content, list) and all(isinstance(name, str | int) for name in content):
        if twice := [name for name in content if content.count(name) > 1]:
            raise ValueError(
                f"{file} names {twice[0]!r} more than once: each of the values 1, 2, ... needs a "
                f"name of its own. Several values are one structure with {twice[0]}: "
                "{value: [1, 2]}"
            )
        content = {name: {"value": k} for k, name in enumerate(content, start=1)}
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{file} must be a list of names, such as [left_ventricle, myocardium], or a mapping "
            "from names to {value: 1, color: [230, 75, 53], role: left_ventricle}; it is "
            f"{content!r}"
        )
    try:
        return class_list({str(name): facts for name, facts in content.items()})
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _check_names(names: Iterable, source: str) -> None:
    """Refuse what is no text, such as YAML's no, on and null."""
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            raise ValueError(f"{source}: {name!r} is no name; write a name such as no in quotes")


def class_list(structures: dict[str, dict | int | None]) -> ClassList:
    """Make the structures from a mapping of names to facts, as in classes.yaml.

    Args:
        structures: name -> {"value", "color", "role", "names"}; a number alone is the value.

    Raises:
        ValueError: a fact is not valid, or two structures share one.
    """
    facts = {name: _facts(name, entry, k) for k, (name, entry) in enumerate(structures.items(), 1)}
    used = [name for name in facts if facts[name]["role"] != BACKGROUND]
    if not used:
        raise ValueError("every structure has the role background: at least one needs another role")
    index_of_value, index_of_color = {0: 0}, {(0, 0, 0): 0}
    index_of_label: dict[str, int] = {}
    roles: dict[str, str] = {}
    for name, fact in facts.items():
        index = used.index(name) + 1 if name in used else 0
        for value in fact["values"]:
            if value in index_of_value:
                raise ValueError(f"the value {value} belongs to {name!r} and to another structure")
            index_of_value[value] = index
        # In the order of the file: prepared videos are compared with the text of this class list.
        for label in dict.fromkeys(map(plain_name, (name, *fact["names"]))):
            if label in index_of_label:
                raise ValueError(f"the name {label!r} stands for {name!r} and another structure")
            index_of_label[label] = index
        if fact["color"] in index_of_color:
            raise ValueError(f"{name!r} has the colour {fact['color']} of another structure")
        if fact["color"]:
            index_of_color[fact["color"]] = index
        if fact["role"] in ROLES:
            if fact["role"] in roles:
                raise ValueError(f"{roles[fact['role']]!r} and {name!r} have the same role")
            roles[fact["role"]] = name
    for name in used:
        role = plain_name(name)
        if role in ROLES and facts[name]["role"] is None:  # the name says it
            roles.setdefault(role, name)
    colors = tuple(facts[name]["color"] or COLORS[k % len(COLORS)] for k, name in enumerate(used))
    return ClassList(tuple(used), colors, roles, index_of_value, index_of_label, index_of_color)


def check_roles(roles: dict[str, str], classes: Iterable[str]) -> None:
    """Refuse unknown roles, and roles of unknown classes.

    Args:
        roles: role -> name of a class.
        classes: names of the classes.

    Raises:
        ValueError: one of them is unknown.
    """
    for role, name in roles.items():
        if role not in ROLES:
            raise ValueError(
                f"there is no role {role!r}{did_you_mean(role, ROLES)}; the roles are "
                f"{', '.join(ROLES)}"
            )
        if name not in classes:
            raise ValueError(
                f"the role {role} is given to {name!r}, which is not a class; the classes are "
                f"{', '.join(classes)}"
            )


def _facts(name: str, entry: dict | int | None, place: int) -> dict:
    """All facts of a structure; without a value, its place in the list is the value."""
    entry = {"value": entry} if isinstance(entry, int) else entry or {}
    if not isinstance(entry, dict):
        raise ValueError(f"{name} is described by {', '.join(KEYS)}, not by {entry!r}")
    for key in entry:
        if key not in KEYS:
            raise ValueError(f"{name}: there is no {key!r}{did_you_mean(str(key), KEYS)}")
    role = entry.get("role")
    if role is not None and role not in (*ROLES, BACKGROUND):
        raise ValueError(
            f"{name}: there is no role {role!r}{did_you_mean(str(role), ROLES)}; the roles are "
            f"{', '.join(ROLES)}, and {BACKGROUND} for a structure to ignore"
        )
    values = entry.get("value", place)
    values = values if isinstance(values, list) else [values]
    if not values or not all(type(value) is int and 1 <= value <= 65535 for value in values):
        raise ValueError(f"{name}: value must be a whole number from 1 to 65535, or a list of them")
    names = entry.get("names", [])
    names = names if isinstance(names, list) else [names] if names is not None else []
    _check_names(names, name)
    return {
        "values": values,
        "names": [str(label) for label in names],
        "role": role,
        "color": _color(name, entry.get("color")),
    }


def _color(name: str, color: list | None) -> tuple[int, int, int] | None:
    if color is None:
        return None
    is_color = isinstance(color, list) and len(color) == 3
    if not (is_color and all(type(c) is int and 0 <= c <= 255 for c in color)):
        raise ValueError(f"{name}: color must be [red, green, blue], each 0 to 255, not {color!r}")
    return tuple(color)
