"""The structures of a dataset of one's own: names, values in masks, colours and roles.

A file classes.yaml is a list of names in the order of the masks' values 1, 2, ...:

    [left_ventricle, myocardium, left_atrium]

or a mapping, which can say more:

    lv_cavity:  {value: 1, role: left_ventricle, color: [230, 75, 53], names: [LV, LV endo]}
    la:         {value: [3, 7], role: left_atrium}
    calipers:   {value: 4, role: background}

`value` is what files of numbers hold (NIfTI, PNG); several become one structure. `names` are what
the structure is called in files of names (CVAT, 3D Slicer, COCO, LabelMe, DICOM SEG), beside its
own name; upper case, spaces and underscores make no difference. `role` says which chamber it is, so
that the ejection fraction can be measured; `background` leaves a drawn structure out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrseg.config.suggestions import did_you_mean
from lgrseg.data.raw_video import UnusableVideo

ROLES = ("left_ventricle", "left_atrium")
"""What volumes and ejection fraction are measured on."""
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
"""RGB of the structures without a `color`, in turn."""
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
    """Name in files of names, as `plain_name` writes it -> the same."""
    index_of_color: dict[tuple[int, int, int], int]
    """RGB in files of colours, of structures that have one in classes.yaml -> the same."""

    def map_values(self, values: np.ndarray, *, source: str) -> np.ndarray:
        """Whole numbers of a file as a prepared mask, uint8.

        Raises:
            UnusableVideo: a value is that of no structure.
        """
        present = np.unique(values)
        unknown = [value for value in present.tolist() if value not in self.index_of_value]
        if unknown:
            shown = ", ".join(f"{value:g}" for value in unknown[:6]) + ", ..." * (len(unknown) > 6)
            raise UnusableVideo(
                f"{source} holds the value {shown}; classes.yaml knows {self._known_values()}. "
                "Add it there, with `role: background` where it is to be left out"
            )
        table = np.array([self.index_of_value[value] for value in present.tolist()], np.uint8)
        return table[np.searchsorted(present, values)]

    def index_of(self, label: str, *, source: str) -> int:
        """The value in prepared masks of a structure's name: 0 for what is left out.

        Raises:
            UnusableVideo: no structure has this name.
        """
        index = self.index_of_label.get(plain_name(label))
        if index is None:
            raise UnusableVideo(
                f"{source} draws {label!r}{did_you_mean(label, self.names)}; classes.yaml knows "
                f"{', '.join(self.names)}. Add it to the `names` of a structure there, or as a "
                "structure with `role: background` where it is to be left out"
            )
        return index

    def _known_values(self) -> str:
        known = {value: self._name(index) for value, index in sorted(self.index_of_value.items())}
        return ", ".join(f"{value} ({name})" for value, name in known.items())

    def _name(self, index: int) -> str:
        return self.names[index - 1] if index else BACKGROUND


def plain_name(label: str) -> str:
    """A name as it is compared: 'Left Ventricle' and 'left_ventricle' are one."""
    return re.sub(r"[\s_\-]+", "_", str(label).strip().lower())


def read_class_list(file: Path) -> ClassList:
    """The structures that a classes.yaml lists.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not of the form above; the message says where.
    """
    import yaml

    if not file.is_file():
        raise FileNotFoundError(
            f"there is no class list {file}: write one, such as [left_ventricle, left_atrium], the "
            "names in the order of the masks' values 1, 2, ..."
        )
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no YAML: {str(error).splitlines()[0]}") from error
    if isinstance(content, list):
        content = {name: {"value": k} for k, name in enumerate(content, start=1)}
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{file} is a list of names, such as [left_ventricle, myocardium], or a mapping from "
            f"names to {{value: 1, color: [230, 75, 53], role: left_ventricle}}; it is {content!r}"
        )
    try:
        return class_list({str(name): facts for name, facts in content.items()})
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def class_list(structures: dict[str, dict | int | None]) -> ClassList:
    """The structures of a mapping from names to facts, as classes.yaml has it.

    Args:
        structures: name -> {"value", "color", "role", "names"}; a number alone is the value.

    Raises:
        ValueError: a fact that cannot be understood, or two structures that share one.
    """
    facts = {name: _facts(name, given, k) for k, (name, given) in enumerate(structures.items(), 1)}
    used = [name for name in facts if facts[name]["role"] != BACKGROUND]
    if not used:
        raise ValueError("every structure is left out: at least one has another role")
    values, shown = {0: 0}, {(0, 0, 0): 0}
    labels: dict[str, int] = {}
    roles: dict[str, str] = {}
    for name, fact in facts.items():
        index = used.index(name) + 1 if name in used else 0
        for value in fact["values"]:
            if value in values:
                raise ValueError(f"the value {value} is given to {name!r} and to another structure")
            values[value] = index
        for label in {plain_name(label) for label in (name, *fact["names"])}:
            if label in labels:
                raise ValueError(f"the name {label!r} stands for {name!r} and another structure")
            labels[label] = index
        if fact["color"] in shown:
            raise ValueError(f"{name!r} has the colour {fact['color']} of another structure")
        if fact["color"]:
            shown[fact["color"]] = index
        if fact["role"] in ROLES:
            if fact["role"] in roles:
                raise ValueError(f"{roles[fact['role']]!r} and {name!r} have one role")
            roles[fact["role"]] = name
    colors = tuple(facts[name]["color"] or COLORS[k % len(COLORS)] for k, name in enumerate(used))
    return ClassList(tuple(used), colors, roles, values, labels, shown)


def check_roles(roles: dict[str, str], classes: Iterable[str]) -> None:
    """Refuse a role that nothing measures, and a class that is not there.

    Args:
        roles: role -> name of a class.
        classes: names.

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
                f"the role {role} is given to {name!r}, which is no class; the classes are "
                f"{', '.join(classes)}"
            )


def _facts(name: str, given: dict | int | None, place: int) -> dict:
    """All facts of a structure; its value is its place in the list where none is given."""
    given = {"value": given} if isinstance(given, int) else given or {}
    if not isinstance(given, dict):
        raise ValueError(f"{name} is described by {', '.join(KEYS)}, not by {given!r}")
    for key in given:
        if key not in KEYS:
            raise ValueError(f"{name}: there is no {key!r}{did_you_mean(str(key), KEYS)}")
    role = given.get("role")
    if role is not None and role not in (*ROLES, BACKGROUND):
        raise ValueError(
            f"{name}: there is no role {role!r}{did_you_mean(str(role), ROLES)}; the roles are "
            f"{', '.join(ROLES)}, and {BACKGROUND} for what is left out"
        )
    values = given.get("value", place)
    values = values if isinstance(values, list) else [values]
    if not values or not all(type(value) is int and 1 <= value <= 65535 for value in values):
        raise ValueError(f"{name}: value is a whole number from 1 to 65535, or a list of them")
    names = given.get("names") or []
    return {
        "values": values,
        "names": [names] if isinstance(names, str) else [str(label) for label in names],
        "role": role,
        "color": _color(name, given.get("color")),
    }


def _color(name: str, color: list | None) -> tuple[int, int, int] | None:
    if color is None:
        return None
    is_color = isinstance(color, list) and len(color) == 3
    if not (is_color and all(type(c) is int and 0 <= c <= 255 for c in color)):
        raise ValueError(f"{name}: color is [red, green, blue], each 0 to 255, not {color!r}")
    return tuple(color)
