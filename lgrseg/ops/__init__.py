"""Operations of the models, with one public function each."""

from lgrseg.ops.hilbert import hilbert_order
from lgrseg.ops.ms_deform_attn import ms_deform_attn, ms_deform_attn_softmax, reference_points
from lgrseg.ops.neighborhood_attention import neighborhood_attention
from lgrseg.ops.point_sample import point_sample, uncertain_points
from lgrseg.ops.selective_scan import selective_scan

__all__ = [
    "hilbert_order",
    "ms_deform_attn",
    "ms_deform_attn_softmax",
    "neighborhood_attention",
    "point_sample",
    "reference_points",
    "selective_scan",
    "uncertain_points",
]
