"""Names of EMP-SSL's checkpoints of a ResNet, which VFM4US uses: torchvision's, with a prefix."""

from typing import cast

from lgrseg.modeling.foundation.hierarchical import ResNetEncoder
from lgrseg.modeling.foundation.layouts import RESNET
from lgrseg.modeling.foundation.names import Tensors
from lgrseg.modeling.pretraining.published_names import with_published_names

PREFIX = "module.backbone."
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
CONVOLUTIONS = {"basic": 2, "bottleneck": 3}
"""Number of convolutions in a block, by transformers' name of the block."""


def emp_ssl_weights(encoder: ResNetEncoder) -> Tensors:
    """Copy the weights of a ResNet, with the names of EMP-SSL's checkpoints.

    Raises:
        ValueError: the encoder's blocks are not those of torchvision's ResNets.
    """
    config = encoder.model.config
    names = resnet_names(cast(list[int], config.depths), CONVOLUTIONS[cast(str, config.layer_type)])
    own = encoder.model.state_dict()
    for stage in range(len(config.depths)):  # only stages that change the width have a shortcut
        if f"encoder.stages.{stage}.layers.0.shortcut.convolution.weight" not in own:
            names = [name for name in names if not name.startswith(f"layer{stage + 1}.0.downsampl")]
    remedy = "only encoders resnet18, resnet50 and vfm4us_resnet18 can be saved under these names"
    weights = with_published_names(encoder, RESNET, names, remedy=remedy)
    return {PREFIX + name: tensor for name, tensor in weights.items()}


def resnet_names(depths: list[int], num_convolutions: int) -> list[str]:
    """List torchvision's names of a ResNet without its head, with a shortcut in every stage.

    Args:
        depths: number of blocks of each stage.
        num_convolutions: number of convolutions in a block.
    """
    names = ["conv1.weight", *(f"bn1.{part}" for part in NORM)]
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            start = f"layer{stage}.{block}"
            for number in range(1, num_convolutions + 1):
                names.append(f"{start}.conv{number}.weight")
                names += [f"{start}.bn{number}.{part}" for part in NORM]
        names.append(f"layer{stage}.0.downsample.0.weight")
        names += [f"layer{stage}.0.downsample.1.{part}" for part in NORM]
    return names
