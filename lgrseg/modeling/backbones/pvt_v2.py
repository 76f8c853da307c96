"""PVTv2, a pyramid of transformer stages with spatially reduced keys.

Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", Computational
Visual Media 2022. Parameter names are those of the public checkpoints (pvt_v2_b0.pth to b5).

Differences: feature maps stay in NCHW order between the convolutions of blocks, attention is
the fused attention of torch, and the classification head is not built.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath
from lgrseg.layers.map_size import map_size

DIMS = {"b0": (32, 64, 160, 256)} | {f"b{i}": (64, 128, 320, 512) for i in range(1, 6)}
DEPTHS = {
    "b0": (2, 2, 2, 2),
    "b1": (2, 2, 2, 2),
    "b2": (3, 4, 6, 3),
    "b3": (3, 4, 18, 3),
    "b4": (3, 8, 27, 3),
    "b5": (3, 6, 40, 3),
}
MLP_RATIOS = {f"b{i}": (8, 8, 4, 4) for i in range(5)} | {"b5": (4, 4, 4, 4)}
NUM_HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
"""Factor by which the map of keys and values is reduced in each stage."""


class PVTv2(nn.Module):
    """Computes maps at strides 4, 8, 16, 32 of images."""

    def __init__(
        self,
        *,
        variant: str = "b2",
        drop_path_rate: float = 0.1,
        weights: str | None = None,
        depths: Sequence[int] | None = None,
    ):
        """`variant` is "b0" to "b5"; `weights` is a public checkpoint (checkpoint/pretrained.py).

        `depths` is the number of blocks of the four stages; None for those of the variant.

        Raises:
            ValueError: the variant does not exist.
        """
        super().__init__()
        if variant not in DIMS:
            raise ValueError(f"PVTv2 comes as {', '.join(DIMS)}, not {variant!r}")
        dims, depths = DIMS[variant], depths or DEPTHS[variant]
        self.channels = {f"res{i + 2}": dim for i, dim in enumerate(dims)}
        self.strides = {f"res{i + 2}": 4 * 2**i for i in range(4)}
        drop_rates = torch.linspace(0, drop_path_rate, sum(depths)).tolist()
        for i in range(4):
            patch = PatchEmbed(3 if i == 0 else dims[i - 1], dims[i], 7 if i == 0 else 3)
            blocks = nn.ModuleList(
                Block(
                    dim=dims[i],
                    num_heads=NUM_HEADS[i],
                    mlp_ratio=MLP_RATIOS[variant][i],
                    reduction=REDUCTIONS[i],
                    drop_path=drop_rates[sum(depths[:i]) + j],
                )
                for j in range(depths[i])
            )
            setattr(self, f"patch_embed{i + 1}", patch)
            setattr(self, f"block{i + 1}", blocks)
            setattr(self, f"norm{i + 1}", nn.LayerNorm(dims[i], eps=1e-6))
        self.apply(initialise)
        if weights:
            from lgrseg.checkpoint.pretrained import load_pretrained

            load_pretrained(self, weights, ignore=("head.",))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W), H and W multiples of 32 -> {"res2": (N, C, H/4, W/4), ..., "res5"}."""
        features = {}
        for i in range(1, 5):
            tokens, (height, width) = getattr(self, f"patch_embed{i}")(images)
            for block in getattr(self, f"block{i}"):
                tokens = block(tokens, height, width)
            tokens = getattr(self, f"norm{i}")(tokens)
            images = rearrange(tokens, "n (h w) c -> n c h w", h=height, w=width)
            features[f"res{i + 1}"] = images
        return features


class PatchEmbed(nn.Module):
    """Overlapping patches: a strided convolution, then norm."""

    def __init__(self, in_channels: int, dim: int, kernel_size: int):
        super().__init__()
        stride = 4 if kernel_size == 7 else 2
        self.proj = nn.Conv2d(in_channels, dim, kernel_size, stride, kernel_size // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(N, C, H, W) -> tokens (N, H'W', D) and (H', W')."""
        maps = self.proj(images)
        return self.norm(rearrange(maps, "n c h w -> n (h w) c")), map_size(maps)


class Block(nn.Module):
    """Attention and MLP, with a norm before and stochastic depth per frame."""

    recomputable = True

    def __init__(
        self, *, dim: int, num_heads: int, mlp_ratio: int, reduction: int, drop_path: float
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim=dim, num_heads=num_heads, reduction=reduction)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim=dim, hidden_dim=dim * mlp_ratio)
        self.drop_path1, self.drop_path2 = DropPath(drop_path), DropPath(drop_path)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(N, H W, D) -> the same shape."""
        tokens = tokens + self.drop_path1(self.attn(self.norm1(tokens), height, width))
        return tokens + self.drop_path2(self.mlp(self.norm2(tokens), height, width))


class Attention(nn.Module):
    """Every pixel attends to a smaller version of the map."""

    def __init__(self, *, dim: int, num_heads: int, reduction: int):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, reduction)
            self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(N, H W, D) -> the same shape."""
        memory = tokens
        if self.reduction > 1:
            maps = rearrange(tokens, "n (h w) c -> n c h w", h=height, w=width)
            memory = self.norm(rearrange(self.sr(maps), "n c h w -> n (h w) c"))
        query = rearrange(self.q(tokens), "n s (m c) -> n m s c", m=self.num_heads)
        key, value = rearrange(
            self.kv(memory), "n s (two m c) -> two n m s c", two=2, m=self.num_heads
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(rearrange(attended, "n m s c -> n s (m c)"))


class Mlp(nn.Module):
    """Linear, depthwise 3 x 3 convolution, GELU, linear."""

    def __init__(self, *, dim: int, hidden_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.dwconv = DepthwiseConv(hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(N, H W, D) -> the same shape."""
        return self.fc2(F.gelu(self.dwconv(self.fc1(tokens), height, width)))


class DepthwiseConv(nn.Module):
    """The convolution that encodes positions; a separate module, so that weight names match."""

    def __init__(self, dim: int):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(N, H W, D) -> the same shape."""
        maps = rearrange(tokens, "n (h w) c -> n c h w", h=height, w=width)
        return rearrange(self.dwconv(maps), "n c h w -> n (h w) c")


def initialise(module: nn.Module) -> None:
    """Initialise a linear layer or a convolution as in the public code; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=(2 * module.groups / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
