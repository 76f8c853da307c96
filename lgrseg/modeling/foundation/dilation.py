"""Changes the last stage of a ResNet from stride 32 to stride 16, with the same weights."""

from torch import nn

from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.hierarchical import ResNetEncoder


def at_stride_16(*, encoder: ResNetEncoder) -> ResNetEncoder:
    """Remove the stride of the last stage, and dilate the convolutions after it by 2.

    The result has the old map at every second row and column, and new values between them, because
    every weight is applied at the same distance in the image as before.

    Source: Chen et al., "Rethinking Atrous Convolution", 2017, arXiv 1706.05587, section 3.1.

    Args:
        encoder: ResNet with a stride of 32, which is changed in place.

    Raises:
        ValueError: the encoder is not a ResNet with a stride of 32.
    """
    if not isinstance(encoder, ResNetEncoder) or encoder.strides[-1] != 32:
        raise ValueError(
            f"a {type(encoder).__name__} at strides {encoder.strides} cannot be dilated: use a "
            "resnet18, resnet50 or vfm4us_resnet18 at strides [4, 8, 16, 32]"
        )
    *_, last = encoder.model.get_submodule("encoder.stages").children()
    for convolution in last.modules():
        if not isinstance(convolution, nn.Conv2d):
            continue
        if convolution.stride == (2, 2):
            convolution.stride = (1, 1)
        elif convolution.kernel_size == (3, 3):
            convolution.dilation = convolution.padding = (2, 2)
    encoder.strides[-1] = 16
    return encoder


def dilated_if_resnet(*, encoder: Encoder) -> Encoder:
    """Apply `at_stride_16` to a ResNet, and return every other encoder as it is.

    For a head that reads a map at stride 16 of any encoder; of the others, `ResampledLevels` has to
    resample the last map.
    """
    return at_stride_16(encoder=encoder) if isinstance(encoder, ResNetEncoder) else encoder
