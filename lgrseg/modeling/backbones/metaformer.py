"""CAFormer: two stages of separable convolutions, then two of attention.

Source: Yu et al., "MetaFormer Baselines for Vision", TPAMI 2024. Parameter names and shapes are
those of timm's public caformer checkpoints. The classification head is not built.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath

VARIANTS = {
    "caformer_s18": ((3, 3, 9, 3), (64, 128, 320, 512)),
    "caformer_s36": ((3, 12, 18, 3), (64, 128, 320, 512)),
    "caformer_m36": ((3, 12, 18, 3), (96, 192, 384, 576)),
    "caformer_b36": ((3, 12, 18, 3), (128, 256, 512, 768)),
}
"""Blocks and channels of the four stages."""
NUM_CONV_STAGES = 2
HEAD_DIM = 32


class MetaFormer(nn.Module):
    """Computes maps at strides 4, 8, 16, 32 of images."""

    def __init__(
        self,
        *,
        variant: str = "caformer_s18",
        depths: Sequence[int] | None = None,
        dims: Sequence[int] | None = None,
        drop_path_rate: float = 0.1,
        weights: str | None = None,
    ):
        """`depths` and `dims` replace those of the variant, for smaller models than published.

        Raises:
            ValueError: the variant does not exist.
        """
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"CAFormer comes as {', '.join(VARIANTS)}, not {variant!r}")
        depths, dims = depths or VARIANTS[variant][0], dims or VARIANTS[variant][1]
        self.channels = {f"res{i + 2}": dim for i, dim in enumerate(dims)}
        self.strides = {f"res{i + 2}": 4 * 2**i for i in range(4)}
        drop_rates = torch.linspace(0, drop_path_rate, sum(depths)).split(list(depths))
        self.stem = Stem(dims[0])
        self.stages = nn.ModuleList(
            Stage(
                in_dim=None if i == 0 else dims[i - 1],
                dim=dims[i],
                drop_paths=drop_rates[i].tolist(),
                with_attention=i >= NUM_CONV_STAGES,
            )
            for i in range(4)
        )
        self.apply(_initialise)
        if weights:
            from lgrseg.checkpoint.pretrained import load_pretrained

            load_pretrained(self, weights, ignore=("head.",))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W), H and W multiples of 32 -> {"res2": (N, C, H/4, W/4), ..., "res5"}."""
        maps, features = self.stem(images), {}
        for i, stage in enumerate(self.stages):
            maps = stage(maps)
            features[f"res{i + 2}"] = maps
        return features


class ChannelNorm(nn.Module):
    """LayerNorm over the channels, without bias, for tokens (N, S, D) or maps (N, D, H, W)."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if x.dim() == 3:
            return F.layer_norm(x, self.weight.shape, self.weight, eps=1e-6)
        last = rearrange(x, "n d h w -> n h w d")
        normed = F.layer_norm(last, self.weight.shape, self.weight, eps=1e-6)
        return rearrange(normed, "n h w d -> n d h w")


class Stem(nn.Module):
    """Overlapping patches at stride 4, then norm."""

    def __init__(self, dim: int):
        super().__init__()
        self.conv = nn.Conv2d(3, dim, 7, stride=4, padding=2)
        self.norm = ChannelNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, D, H/4, W/4)."""
        return self.norm(self.conv(images))


class Downsample(nn.Module):
    """Norm, then a convolution that halves the resolution."""

    def __init__(self, in_dim: int, dim: int):
        super().__init__()
        self.norm = ChannelNorm(in_dim)
        self.conv = nn.Conv2d(in_dim, dim, 3, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H/2, W/2)."""
        return self.conv(self.norm(maps))


class Stage(nn.Module):
    """Downsampling (except in the first stage), then blocks; attention stages work on tokens."""

    def __init__(
        self, *, in_dim: int | None, dim: int, drop_paths: list[float], with_attention: bool
    ):
        super().__init__()
        self.downsample = nn.Identity() if in_dim is None else Downsample(in_dim, dim)
        self.with_attention = with_attention
        self.blocks = nn.ModuleList(
            Block(dim=dim, drop_path=rate, with_attention=with_attention) for rate in drop_paths
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H', W')."""
        maps = self.downsample(maps)
        height = maps.shape[-2]
        if self.with_attention:
            maps = rearrange(maps, "n d h w -> n (h w) d")
        for block in self.blocks:
            maps = block(maps)
        if self.with_attention:
            maps = rearrange(maps, "n (h w) d -> n d h w", h=height)
        return maps


class Block(nn.Module):
    """Token mixer and MLP, each after a norm; attention blocks scale the residual path."""

    recomputable = True

    def __init__(self, *, dim: int, drop_path: float, with_attention: bool):
        super().__init__()
        self.norm1 = ChannelNorm(dim)
        self.token_mixer = Attention(dim) if with_attention else SepConv(dim)
        self.norm2 = ChannelNorm(dim)
        self.mlp = Mlp(dim, linear=with_attention)
        self.res_scale1 = Scale(dim) if with_attention else nn.Identity()
        self.res_scale2 = Scale(dim) if with_attention else nn.Identity()
        self.drop_path1, self.drop_path2 = DropPath(drop_path), DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, S, D) or maps (N, D, H, W) -> the same shape."""
        x = self.res_scale1(x) + self.drop_path1(self.token_mixer(self.norm1(x)))
        return self.res_scale2(x) + self.drop_path2(self.mlp(self.norm2(x)))


class Scale(nn.Module):
    """A learned factor for every channel of tokens (N, S, D)."""

    def __init__(self, dim: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return x * self.scale


class StarReLU(nn.Module):
    """scale * relu(x) ** 2 + bias, with two learned numbers."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return self.scale * F.relu(x).square() + self.bias


class SepConv(nn.Module):
    """Separable convolution: widen, 7 x 7 depthwise, narrow; no biases."""

    def __init__(self, dim: int):
        super().__init__()
        self.pwconv1 = nn.Conv2d(dim, 2 * dim, 1, bias=False)
        self.act1 = StarReLU()
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 7, padding=3, groups=2 * dim, bias=False)
        self.pwconv2 = nn.Conv2d(2 * dim, dim, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, D, H, W) -> the same shape."""
        return self.pwconv2(self.dwconv(self.act1(self.pwconv1(maps))))


class Attention(nn.Module):
    """Self-attention with heads of 32 channels; no biases."""

    def __init__(self, dim: int):
        super().__init__()
        self.num_heads = max(1, dim // HEAD_DIM)
        inner = self.num_heads * HEAD_DIM
        self.qkv = nn.Linear(dim, 3 * inner, bias=False)
        self.proj = nn.Linear(inner, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, S, D) -> the same shape."""
        query, key, value = rearrange(
            self.qkv(tokens), "n s (three m c) -> three n m s c", three=3, m=self.num_heads
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(rearrange(attended, "n m s c -> n s (m c)"))


class Mlp(nn.Module):
    """MLP of four times the width with StarReLU; 1 x 1 convolutions on maps, linear on tokens."""

    fc1: nn.Module
    fc2: nn.Module

    def __init__(self, dim: int, *, linear: bool):
        super().__init__()
        if linear:
            self.fc1 = nn.Linear(dim, 4 * dim, bias=False)
            self.fc2 = nn.Linear(4 * dim, dim, bias=False)
        else:
            self.fc1 = nn.Conv2d(dim, 4 * dim, 1, bias=False)
            self.fc2 = nn.Conv2d(4 * dim, dim, 1, bias=False)
        self.act = StarReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return self.fc2(self.act(self.fc1(x)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
