"""The decoder-only transformer: Llama-type blocks of transformers with 3-D rotary positions.

Letters: N sequences, P tokens of a sequence, D width of a token.
"""

import torch
from torch import Tensor, nn
from transformers import DynamicCache, Qwen2VLTextConfig, Qwen2VLTextModel


class Trunk(nn.Module):
    """RMSNorm, grouped-query attention and SwiGLU blocks, after Qwen2-VL's language model.

    Source: Wang et al., "Qwen2-VL", arXiv 2409.12191, section 2.1 (rotary positions in time, height
    and width). Different here: the axes take turns along the rotary frequencies. In blocks of
    neighbouring frequencies, as in the publication, small heads would have only slow frequencies
    for the width, and columns could not be distinguished.
    """

    def __init__(
        self,
        *,
        width: int = 192,
        depth: int = 4,
        num_heads: int = 6,
        num_kv_heads: int = 2,
        mlp_width: int = 384,
        max_tokens: int = 2048,
    ):
        """Build the blocks, with random weights.

        Args:
            width: width D of a token.
            depth: number of blocks.
            num_heads: number of attention heads; it divides the width.
            num_kv_heads: number of heads of keys and values; it divides the number of heads.
            mlp_width: width of the hidden layer of SwiGLU.
            max_tokens: largest number of tokens in a sequence.

        Raises:
            ValueError: the widths and numbers of heads do not divide each other.
        """
        super().__init__()
        if width % (2 * num_heads) or num_heads % num_kv_heads:
            raise ValueError(
                f"width={width} must be a multiple of 2 x num_heads={num_heads}, and num_heads a "
                f"multiple of num_kv_heads={num_kv_heads}"
            )
        self.width, self.max_tokens = width, max_tokens
        config = Qwen2VLTextConfig(
            vocab_size=1,
            hidden_size=width,
            intermediate_size=mlp_width,
            num_hidden_layers=depth,
            num_attention_heads=num_heads,
            num_key_value_heads=num_kv_heads,
            max_position_embeddings=max_tokens,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 100.0,  # positions are cells of a grid, up to about a hundred
                "mrope_section": [1] * (width // num_heads // 2),
            },
            bos_token_id=None,
            eos_token_id=None,
        )
        self.blocks = Qwen2VLTextModel(config)
        self.blocks.set_input_embeddings(nn.Identity())  # tokens are embedded outside

    def new_cache(self) -> DynamicCache:
        """An empty cache of keys and values."""
        return DynamicCache(config=self.blocks.config)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        visible: Tensor | None,
        cache: DynamicCache | None = None,
    ) -> Tensor:
        """Transform the tokens of sequences, or the next tokens behind a cache.

        Args:
            tokens: (N, P, D) embedded tokens.
            positions: (P, 3) float positions in time, height and width.
            visible: (P, P') bool: true where token p may attend to token p', of the P' tokens in
                the cache and in `tokens`; None if every token may attend to all.
            cache: keys and values of earlier tokens, to which these are added; None for none.

        Returns:
            (N, P, D) transformed and normalised tokens.

        Raises:
            ValueError: the sequences are longer than `max_tokens`.
        """
        earlier = cache.get_seq_length() if cache is not None else 0
        length = earlier + tokens.shape[1]
        if length > self.max_tokens:
            raise ValueError(
                f"a sequence of {length} tokens is longer than max_tokens={self.max_tokens} of the "
                "trunk: use smaller frames (input_size of the mappers), or train a model with a "
                "larger max_tokens"
            )
        if visible is None:
            visible = torch.ones(tokens.shape[1], length, dtype=torch.bool, device=tokens.device)
        output = self.blocks(
            inputs_embeds=tokens,
            position_ids=positions.T[:, None].expand(-1, len(tokens), -1),
            attention_mask=visible.expand(len(tokens), 1, -1, -1),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return output.last_hidden_state
