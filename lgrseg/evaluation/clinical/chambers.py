"""Which class is which chamber: by its name, or by the roles that a dataset or a config gives."""

from collections.abc import Mapping

from lgrseg.data.class_list import ROLES


def chambers_of(classes: tuple[str, ...], roles: Mapping[str, str]) -> dict[str, str]:
    """Role -> class, of the roles that a class has.

    Args:
        classes: names.
        roles: role -> class; a class that is called as a role has it where `roles` is silent.
    """
    by_name = {role: role for role in ROLES if role in classes}
    return by_name | {role: name for role, name in roles.items() if name in classes}


def why_no_ejection_fraction(
    classes: tuple[str, ...], roles: Mapping[str, str], dataset: str
) -> str:
    """Why videos of a dataset have no ejection fraction, and what to do about it.

    Args:
        classes: names.
        roles: role -> class.
        dataset: name, for the message.
    """
    if "left_ventricle" not in chambers_of(classes, roles):
        return (
            f"no ejection fraction: none of the classes of {dataset} ({', '.join(classes)}) is "
            "known to be the left ventricle. If one is, say roles.left_ventricle=NAME on the "
            "command line, or `role: left_ventricle` in the classes.yaml of your own clips"
        )
    return (
        f"no ejection fraction: no video of {dataset} has masks of a frame that is known to be "
        "end-diastole and of one known to be end-systole. For your own clips, prepare them again "
        "with `role: left_ventricle` in classes.yaml, which finds the two frames where exactly two "
        "or all are annotated, or name them in the columns ed_frame and es_frame of splits.csv"
    )
