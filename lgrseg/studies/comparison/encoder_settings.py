"""Settings that a row's encoder takes from the encoder of the shared config."""

from omegaconf import DictConfig

from lgrseg.config import PARTIAL, TARGET, L
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.foundation.registry import ENCODERS
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.studies.comparison.rows import Row

OF_THE_ROW = ("name", "weights", "layers", "drop_path_rate", TARGET, PARTIAL)
"""Settings that are not copied. Stochastic depth has no effect in a frozen encoder."""


def check_shared_model(model: DictConfig | None, row: Row) -> None:
    """Check that encoders can be compared with the head of this model.

    Raises:
        ValueError: the model is not a PerPixelSegmenter with a head, or it has weights of its own
            encoder, which no row would use.
    """
    target = f"{PerPixelSegmenter.__module__}.{PerPixelSegmenter.__qualname__}"
    head = model.get("head", {}) if model else {}
    fits = "in_channels" in head or head.get(PARTIAL)
    if not model or model.get(TARGET) != target or not fits:
        actual = model.get(TARGET, "nothing to build") if model else "missing"
        raise ValueError(
            f"{row.name} is compared with the head of a PerPixelSegmenter, but the shared "
            f"config's model is {actual}: use a config with such a head "
            "(configs/baselines/pvt_fpn.py), or compare whole models as config:PATH"
        )
    if with_weights := _weights_in(model.get("backbone"), "model.backbone"):
        key, value, name = with_weights[0]
        raise ValueError(
            f"{key}={value} would have no effect, because every row has its own encoder: "
            f"give the weights in --backbones as {name}={value}, and leave this setting null"
        )


def _weights_in(node, key: str) -> list[tuple[str, str, str]]:
    """Key, file and encoder name of all weights in a config."""
    if not isinstance(node, DictConfig):
        return []
    this_node = (f"{key}.weights", node.get("weights"), node.get("name", "NAME"))
    nested = [pair for name in map(str, node) for pair in _weights_in(node[name], f"{key}.{name}")]
    return [this_node] * bool(this_node[1]) + nested


def encoder_of_row(row: Row, model: DictConfig) -> DictConfig:
    """Config of the row's encoder, with the other settings of the shared config's encoder.

    `layers` are scaled with the depth: blocks 3, 5, 7, 11 of 12 become 7, 11, 15, 23 of 24. An
    encoder with stages has fixed maps and gets no `layers`.
    """
    assert row.encoder is not None  # rows of whole configs take nothing from the shared model
    shared = model.get("backbone", {}).get("encoder")
    while shared is not None and shared[TARGET] != L(build_encoder)(name="")[TARGET]:
        shared = shared.get("encoder")  # of frozen(encoder=...)
    settings = {} if shared is None else {k: v for k, v in shared.items() if k not in OF_THE_ROW}
    if shared is not None and shared.get("layers"):
        depth, other = _depth(shared.name, settings), _depth(row.encoder, settings)
        if depth and other:
            settings["layers"] = layers_at_depth(shared.layers, depth, other)
    return L(build_encoder)(**{**settings, "name": row.encoder, "weights": row.weights})


def _depth(name: str, settings: dict) -> int | None:
    """Number of blocks of a plain transformer; None for other encoders."""
    defaults = ENCODERS[name].settings if name in ENCODERS else {}
    return (defaults | settings)["num_hidden_layers"] if "num_hidden_layers" in defaults else None


def layers_at_depth(layers: list[int], depth: int, other: int) -> list[int]:
    """Scale block indices of an encoder with `depth` blocks to one with `other` blocks.

    Args:
        layers: block indices, from 0; -1 is the last block.
        depth: number of blocks of the encoder of `layers`.
        other: number of blocks of the other encoder.
    """
    ends = ((layer + depth if layer < 0 else layer) + 1 for layer in layers)
    return [max(1, int(end / depth * other + 0.5)) - 1 for end in ends]
