"""Codes of SNOMED CT and DICOM that say what the segments of a DICOM file are.

The numbers and meanings are those in pydicom's dictionary of DICOM PS3.16, which lacks the
myocardium of no particular chamber.
"""

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lgrseg.data.catalog import Metadata
from lgrseg.data.class_list import plain_name

STRUCTURES = {
    "left_ventricle": codes.SCT.LeftVentricle,
    "right_ventricle": codes.SCT.RightVentricle,
    "left_atrium": codes.SCT.LeftAtrium,
    "right_atrium": codes.SCT.RightAtrium,
    "myocardium": Code("74281007", "SCT", "Myocardium"),
    "pulmonary_artery": codes.SCT.PulmonaryArtery,
    "aorta": codes.SCT.Aorta,
}
"""Class or role -> its code; other classes are image regions with a label."""


def property_of(name: str, metadata: Metadata) -> tuple[Code, Code]:
    """Category and type of a segment, DICOM PS3.3, C.8.20.4.

    Args:
        name: name of a class.
        metadata: roles of the classes, which decide before the names.

    Returns:
        (anatomical structure, the structure), or (spatial concept, image region) for a class whose
        meaning is not known.
    """
    roles = {owner: role for role, owner in metadata.roles.items()}
    structure = STRUCTURES.get(roles.get(name, plain_name(name)))
    if structure is None:
        return codes.SCT.SpatialAndRelationalConcept, codes.DCM.ImageRegion
    return codes.SCT.AnatomicalStructure, structure


def code_item(code: Code) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item
