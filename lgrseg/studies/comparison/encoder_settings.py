"""What a row's encoder takes over from the encoder of the shared config, and what it may not."""

from omegaconf import DictConfig

from lgrseg.config import PARTIAL, TARGET, L
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.foundation.registry import ENCODERS
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.studies.comparison.rows import Row

OF_THE_ROW = ("name", "weights", "layers", "drop_path_rate", TARGET, PARTIAL)
"""Not taken over as they are. Stochastic depth rests in a frozen encoder, and not all have it."""


def check_shared_model(model: DictConfig | None, row: Row) -> None:
    """Whether encoders can be compared under the head of this model.

    Raises:
        ValueError: it is no PerPixelSegmenter with a head, or names weights of its own encoder,
            which no row would have.
    """
    target = f"{PerPixelSegmenter.__module__}.{PerPixelSegmenter.__qualname__}"
    found = model.get(TARGET, "nothing to build") if model else "missing"
    if found != target or "in_channels" not in model.get("head", {}):
        raise ValueError(
            f"{row.name} is compared under the head of a PerPixelSegmenter, and the shared "
            f"config's model is {found}: take a config with such a head "
            "(configs/baselines/pvt_fpn_camus.py), or compare whole models as config:PATH"
        )
    if given := _weights_in(model.get("backbone"), "model.backbone"):
        key, value, name = given[0]
        raise ValueError(
            f"{key}={value} would have no effect, because every row has an encoder of its own: "
            f"give weights behind the name in --backbones, {name}={value}, and leave this one null"
        )


def _weights_in(node, key: str) -> list[tuple[str, str, str]]:
    """Key, file and the encoder's name of all weights in a config."""
    if not isinstance(node, DictConfig):
        return []
    own = (f"{key}.weights", node.get("weights"), node.get("name", "NAME"))
    found = [pair for name in node for pair in _weights_in(node[name], f"{key}.{name}")]
    return [own] * bool(own[1]) + found


def encoder_of_row(row: Row, model: DictConfig) -> DictConfig:
    """`build_encoder` of the row, with what else the config sets for its own encoder.

    `layers` stand for parts of the depth: blocks 3, 5, 7, 11 of 12 are 7, 11, 15, 23 of 24. An
    encoder with stages has its maps already, and gets none.
    """
    own = model.get("backbone", {}).get("encoder")
    while own is not None and own[TARGET] != L(build_encoder)(name="")[TARGET]:
        own = own.get("encoder")  # of frozen(encoder=...)
    kept = {} if own is None else {k: v for k, v in own.items() if k not in OF_THE_ROW}
    if own is not None and own.get("layers"):
        depth, other = _depth(own.name, kept), _depth(row.encoder, kept)
        if depth and other:
            kept["layers"] = layers_at_depth(own.layers, depth, other)
    return L(build_encoder)(**{**kept, "name": row.encoder, "weights": row.weights})


def _depth(name: str, settings: dict) -> int | None:
    """Blocks of a plain transformer; None for another encoder."""
    own = ENCODERS[name].settings if name in ENCODERS else {}
    return (own | settings)["num_hidden_layers"] if "num_hidden_layers" in own else None


def layers_at_depth(layers: list[int], depth: int, other: int) -> list[int]:
    """Blocks of an encoder of `other` blocks at the parts of the depth where `layers` are.

    Args:
        layers: of an encoder of `depth` blocks, counted from 0, -1 the last.
        depth: blocks of it.
        other: blocks of the other encoder.
    """
    ends = ((layer + depth if layer < 0 else layer) + 1 for layer in layers)
    return [max(1, int(end / depth * other + 0.5)) - 1 for end in ends]
