"""The all-MLP head of SegFormer, by transformers."""

from collections.abc import Mapping

from torch import Tensor, nn

from lgrseg.layers.channel_dropout import ChannelDropout


class AllMlpHead(nn.Module):
    """Linear projections of four maps, enlarged to stride 4, joined and classified.

    Source: Xie et al., "SegFormer", NeurIPS 2021, section 3.2. As in the paper's code, and unlike
    transformers, dropout removes whole channels. Batch statistics are over the images of one
    process and step.
    """

    def __init__(
        self,
        *,
        in_channels: Mapping[str, int],
        num_classes: int,
        dim: int = 256,
        dropout: float = 0.1,
    ):
        """Make a head.

        Args:
            in_channels: number of channels of each map, from the finest to the coarsest.
            num_classes: number K of classes, without the background.
            dim: width of the projections.
            dropout: probability that a channel is dropped before the classification.
        """
        super().__init__()
        from transformers import SegformerConfig
        from transformers.models.segformer.modeling_segformer import SegformerDecodeHead

        self.in_channels = dict(in_channels)
        config = SegformerConfig(
            hidden_sizes=list(in_channels.values()),
            num_encoder_blocks=len(in_channels),
            decoder_hidden_size=dim,
        )
        config.num_labels = num_classes + 1
        self.decode = SegformerDecodeHead(config)
        self.decode.add_module("dropout", ChannelDropout(dim, dropout))

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Backbone maps by name -> scores (N, K + 1, h, w) at the size of the finest map."""
        return self.decode([features[name] for name in self.in_channels])
