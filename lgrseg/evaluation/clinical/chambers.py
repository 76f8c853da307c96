"""Assigns chambers to classes, by class names or by the roles of a dataset or a config."""

from collections.abc import Mapping

from lgrseg.data.class_list import ROLES


def chambers_of(classes: tuple[str, ...], roles: Mapping[str, str]) -> dict[str, str]:
    """Return role -> class, for all roles that have a class.

    Args:
        classes: names of the classes.
        roles: role -> class. A role that is not in `roles` has the class of the same name.
    """
    by_name = {role: role for role in ROLES if role in classes}
    return by_name | {role: name for role, name in roles.items() if name in classes}


def why_no_ejection_fraction(
    classes: tuple[str, ...], roles: Mapping[str, str], dataset: str
) -> str:
    """Explain why videos of a dataset have no ejection fraction, and how to get one.

    Args:
        classes: names of the classes.
        roles: role -> class.
        dataset: name of the dataset, for the message.
    """
    if "left_ventricle" not in chambers_of(classes, roles):
        return (
            f"no ejection fraction: none of the classes of {dataset} ({', '.join(classes)}) is "
            "known to be the left ventricle. If one is, add roles.left_ventricle=NAME to the "
            "command, or `role: left_ventricle` to the classes.yaml of your own clips"
        )
    return (
        f"no ejection fraction: no video of {dataset} has masks of both a frame labelled as "
        "end-diastole and a frame labelled as end-systole. Prepare your own clips again, with "
        "`role: left_ventricle` in classes.yaml: it finds the two frames if exactly two or all "
        "frames are annotated. Or name them in the columns ed_frame and es_frame of splits.csv"
    )
