"""An encoder of three convolutions, with the interface of lgrseg.modeling.foundation's."""

import torch.nn.functional as F
from torch import nn


class TinyEncoder(nn.Module):
    """One map at stride 4; its mean is the token."""

    def __init__(self, *, width: int = 16):
        super().__init__()
        self.channels, self.strides, self.token_dim = [width], [4], width
        layers = []
        for before, stride in ((3, 2), (width, 2), (width, 1)):
            layers += [nn.Conv2d(before, width, 3, stride=stride, padding=1)]
            layers += [nn.GroupNorm(4, width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        height, width = images.shape[-2:]
        return [self.layers(F.pad(images, (0, -width % 4, 0, -height % 4)))]

    def forward_token(self, images):
        return self(images)[-1].mean(dim=(-2, -1))
