"""An encoder of three convolutions, with the interface of lgrseg.modeling.foundation's."""

from torch import nn

from lgrseg.modeling.foundation.encoder import Encoder


class TinyEncoder(Encoder):
    """One map at stride 4; its mean is the token."""

    def __init__(self, *, width: int = 16):
        super().__init__(channels=[width], strides=[4], token_dim=width, least_size=4)
        layers = []
        for before, stride in ((3, 2), (width, 2), (width, 1)):
            layers += [nn.Conv2d(before, width, 3, stride=stride, padding=1)]
            layers += [nn.GroupNorm(4, width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    @property
    def blocks(self):
        return [self.layers]

    def forward(self, images):
        return [self.layers(self.padded(images, 4))]

    def forward_token(self, images):
        return self(images)[-1].mean(dim=(-2, -1))
