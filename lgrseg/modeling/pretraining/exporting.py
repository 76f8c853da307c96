"""Saves the encoder of a model under the names of a published checkpoint."""

from torch import nn

from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.foundation.backbone import FoundationBackbone
from lgrseg.modeling.foundation.encoder import TransformersEncoder
from lgrseg.modeling.foundation.hierarchical import ResNetEncoder
from lgrseg.modeling.foundation.names import Tensors
from lgrseg.modeling.foundation.vit import ViTEncoder
from lgrseg.modeling.pretraining.emp_ssl_names import emp_ssl_weights
from lgrseg.modeling.pretraining.mae_names import mae_weights
from lgrseg.modeling.pretraining.usfm_names import usfm_weights

OF_A_VIT = {"ViTModel": mae_weights, "BeitModel": usfm_weights}
"""Class of transformers -> function that gives the weights their published names."""


def published_weights(model: nn.Module) -> Tensors:
    """Copy the weights of a model's encoder, with the names by which `build_encoder` loads them.

    Those of a ResNet are EMP-SSL's, those of a `mae_*` or `usfm_*` are MAE's or USFM's. Every other
    encoder keeps the names of its network in the installed version of transformers.

    Args:
        model: model with an encoder as `backbone` or in its FoundationBackbone, or with a student
            that has one.

    Raises:
        ValueError: the model has no such encoder, or one with adapters.
    """
    model = model.deployed() if isinstance(model, ClipModel) else model
    backbone = getattr(model, "backbone", None)
    encoder = backbone.encoder if isinstance(backbone, FoundationBackbone) else backbone
    if isinstance(encoder, nn.Module) and any(".lora_" in name for name in encoder.state_dict()):
        raise ValueError(
            "the encoder has low-rank adapters, which no published checkpoint has: name a run that "
            "trained the encoder's own weights"
        )
    if isinstance(encoder, ResNetEncoder):
        return emp_ssl_weights(encoder)
    if isinstance(encoder, ViTEncoder) and type(encoder.model).__name__ in OF_A_VIT:
        return OF_A_VIT[type(encoder.model).__name__](encoder)
    if isinstance(encoder, TransformersEncoder):
        return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    raise ValueError(
        f"a {type(model).__name__} has no encoder of build_encoder as its backbone, and only these "
        "can be saved: name a run of configs/pretraining/ or configs/foundation/"
    )
