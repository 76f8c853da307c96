"""A layer of Mask2Former's decoder: queries attend to the clip, then to each other.

Source: Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation",
CVPR 2022, section 3.2.

Letters: B clips, Q queries, D width, M heads, S memory tokens, G sets of queries: 1, or one per
frame in a causal decoder.
"""

from einops import rearrange
from torch import Tensor, nn


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention and FFN, each with residual connection and norm."""

    def __init__(self, *, dim: int, num_heads: int, ffn_dim: int):
        super().__init__()
        self.cross_attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.cross_norm = nn.LayerNorm(dim)
        self.self_attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.self_norm = nn.LayerNorm(dim)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))
        self.ffn_norm = nn.LayerNorm(dim)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        queries: Tensor,
        positions: Tensor,
        memory: Tensor,
        memory_position: Tensor,
        blocked: Tensor,
        times: int = 1,
    ) -> Tensor:
        """Queries and positions (B, G Q, D), memory and its position (B, S, D) to (B, G Q, D).

        `blocked` (B * M, G Q, S) bool is true where a query must not attend; no row is all true.
        Positions are added to queries and keys, not to values. There are `times` (G) sets of
        queries, and self-attention is within a set.
        """
        attended, _ = self.cross_attn(
            queries + positions,
            memory + memory_position,
            memory,
            attn_mask=blocked,
            need_weights=False,
        )
        queries = self.cross_norm(queries + attended)
        keys, values = (
            rearrange(x, "b (g q) d -> (b g) q d", g=times) for x in (queries + positions, queries)
        )
        attended, _ = self.self_attn(keys, keys, values, need_weights=False)
        attended = rearrange(attended, "(b g) q d -> b (g q) d", g=times)
        queries = self.self_norm(queries + attended)
        return self.ffn_norm(queries + self.ffn(queries))
