"""A ViT of USFM's form, small enough for a test."""

from lgrseg.modeling.foundation import build_encoder


def small_usfm(name="usfm_tiny", **more):
    """Two blocks of 32 channels, for images of 64 px."""
    return build_encoder(
        name,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=64,
        **more,
    )
