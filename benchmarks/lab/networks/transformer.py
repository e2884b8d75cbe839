"""Vision transformers, for small images unless told otherwise."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EncoderBlock(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron, each with a shortcut."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape ``[batch, tokens, width]``."""
        tokens, width = x.shape[1], x.shape[2]
        parts = self.qkv(self.norm1(x)).view(-1, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        # Written out: the fused kernel's backward pass is twice as slow in bfloat16 on a CPU.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        mixed = scores.softmax(dim=-1) @ value
        x = x + self.out(mixed.transpose(1, 2).reshape(-1, tokens, width))
        hidden: Tensor = self.mlp(self.norm2(x))
        return x + hidden


class VisionTransformer(nn.Module):
    """Square patches, learned positions, the mean of the tokens (after ViT)."""

    def __init__(
        self,
        channels: int,
        side: int,
        classes: int,
        *,
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
        expansion: int = 2,
        patch: int = 4,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, width, patch, stride=patch)
        self.positions = nn.Parameter(torch.zeros(1, (side // patch) ** 2, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads, expansion) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, side, side]`` to logits ``[batch, classes]``."""
        tokens = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        logits: Tensor = self.head(self.norm(self.blocks(tokens)).mean(dim=1))
        return logits
