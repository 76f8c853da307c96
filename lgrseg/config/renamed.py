"""Earlier import paths of classes, which saved configs of earlier versions contain."""

from typing import Any

from lgrseg.config.targets import TARGET

MODULES = {
    "lgrseg.data.fixed_copies": "lgrseg.data.mappers.fixed_copies",
    "lgrseg.data.label_mapper": "lgrseg.data.mappers.labels",
    "lgrseg.data.mapper": "lgrseg.data.mappers.clips",
    "lgrseg.data.transforms": "lgrseg.data.transforms.video",
    "lgrseg.data.transforms_stills": "lgrseg.data.transforms.stills",
    "lgrseg.data.views": "lgrseg.data.mappers.views",
    "lgrseg.modeling.backbones.drop_path": "lgrseg.layers.drop_path",
    "lgrseg.modeling.box_criterion": "lgrseg.modeling.losses.box_criterion",
    "lgrseg.modeling.box_head": "lgrseg.modeling.lgrnet.box_head",
    "lgrseg.modeling.box_sam2": "lgrseg.modeling.sam2.box_sam2",
    "lgrseg.modeling.box_tracking": "lgrseg.modeling.sam2.box_tracking",
    "lgrseg.modeling.box_training": "lgrseg.modeling.sam2.box_training",
    "lgrseg.modeling.classifier": "lgrseg.modeling.heads.classifier",
    "lgrseg.modeling.clip_batch": "lgrseg.layers.clip_batch",
    "lgrseg.modeling.complexity": "lgrseg.layers.complexity",
    "lgrseg.modeling.criterion": "lgrseg.modeling.losses.criterion",
    "lgrseg.modeling.decoder": "lgrseg.modeling.lgrnet.decoder",
    "lgrseg.modeling.encoder": "lgrseg.modeling.lgrnet.encoder",
    "lgrseg.modeling.frozen_run": "lgrseg.inference.frozen_run",
    "lgrseg.modeling.heads.channel_dropout": "lgrseg.layers.channel_dropout",
    "lgrseg.modeling.heads.convolutions": "lgrseg.layers.convolutions",
    "lgrseg.modeling.lgrnet": "lgrseg.modeling.lgrnet.model",
    "lgrseg.modeling.mask_candidates": "lgrseg.modeling.sam2.mask_candidates",
    "lgrseg.modeling.mask_consistency": "lgrseg.modeling.semi_supervised.mask_consistency",
    "lgrseg.modeling.matcher": "lgrseg.modeling.losses.matcher",
    "lgrseg.modeling.numerics": "lgrseg.layers.numerics",
    "lgrseg.modeling.per_pixel": "lgrseg.modeling.heads.per_pixel",
    "lgrseg.modeling.position_encoding": "lgrseg.layers.position_encoding",
    "lgrseg.modeling.public_release": "lgrseg.modeling.lgrnet.public_release",
    "lgrseg.modeling.sam2": "lgrseg.modeling.sam2.network",
    "lgrseg.modeling.sam2_records": "lgrseg.modeling.sam2.records",
    "lgrseg.modeling.sam2_tracker": "lgrseg.modeling.sam2.tracker",
    "lgrseg.modeling.sam2_tuning": "lgrseg.modeling.sam2.tuning",
    "lgrseg.modeling.schedules": "lgrseg.modeling.semi_supervised.schedules",
    "lgrseg.modeling.self_distillation": "lgrseg.modeling.semi_supervised.self_distillation",
    "lgrseg.modeling.semi_supervised": "lgrseg.modeling.semi_supervised.model",
    "lgrseg.modeling.temporal": "lgrseg.modeling.lgrnet.temporal",
    "lgrseg.modeling.weights": "lgrseg.checkpoint.pretrained",
    "lgrseg.comparison.cached": "lgrseg.studies.comparison.cached",
}
"""The old name of a module -> its new name."""
CLASSES = {
    "lgrseg.modeling.foundation.hierarchical.HieraEncoder": "lgrseg.modeling.foundation.hiera",
    "lgrseg.modeling.lgrnet.decoder.DecoderLayer": "lgrseg.modeling.lgrnet.decoder_layer",
    "lgrseg.modeling.lgrnet.encoder.DeformableAttention": "lgrseg.modeling.lgrnet.encoder_layer",
    "lgrseg.modeling.lgrnet.encoder.EncoderLayer": "lgrseg.modeling.lgrnet.encoder_layer",
    "lgrseg.modeling.semi_supervised.self_distillation.ProjectionHead": (
        "lgrseg.modeling.semi_supervised.projection_head"
    ),
}
"""A class that was moved -> its new module; applied after `MODULES`."""


def with_present_names(node: Any) -> Any:
    """Replace earlier import paths of a plain config (dicts and lists) by the present ones."""
    if isinstance(node, list):
        return [with_present_names(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: with_present_names(item) for name, item in node.items()}
    if isinstance(node.get(TARGET), str):
        module, _, name = node[TARGET].rpartition(".")
        if module:
            module = MODULES.get(module, module)
            node[TARGET] = f"{CLASSES.get(f'{module}.{name}', module)}.{name}"
    return node
