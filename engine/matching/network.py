"""The network: a small U-Net looks at each picture by itself, its features are pooled in the regions, and a light transformer compares
the regions of two pictures. Points are compared by the same features.

`Network.encode` is done once for a picture, `Network.compare` for each two of them. Swatches are no input anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .features import CHANNELS, GEOMETRY, MatcherView

WIDTHS = (16, 48, 96, 160, 224)  # channels at 1/2, 1/4, ... of the picture; the first is dear
TOKEN = 160  # numbers that describe a region
HEADS = 4
POINT = 64  # numbers that describe a point
CHUNK = 1024  # regions that attend at once, which bounds memory
NONE, LINE, TRACE, SELF = range(4)  # how two regions of a picture lie to each other


@dataclass(frozen=True)
class ViewBatch:
    """P views, padded to one size.

    image     float32 (P, CHANNELS, h, w)
    pools     for each level of the U-Net: which cells of (P, h', w') make up which rows of (P * R), and by what weight
    geometry  float32 (P, R, GEOMETRY)
    valid     bool (P, R)         whether there is such a region; row r is region r + 1
    near      uint8 (P, R, R)     NONE, LINE, TRACE or SELF
    """

    image: Tensor
    pools: tuple[tuple[Tensor, Tensor, Tensor], ...]
    geometry: Tensor
    valid: Tensor
    near: Tensor

    def to(self, device: torch.device | str) -> "ViewBatch":
        pools = tuple(tuple(part.to(device) for part in pool) for pool in self.pools)
        return ViewBatch(self.image.to(device), pools, self.geometry.to(device), self.valid.to(device), self.near.to(device))  # type: ignore[arg-type]


def collate_views(views: Sequence[MatcherView]) -> ViewBatch:
    """Put views into one batch."""
    height, width = (max(view.labels.shape[axis] for view in views) for axis in (0, 1))
    rows = max(len(view.geometry) - 1 for view in views)
    image = np.zeros((len(views), CHANNELS, height, width), np.float32)
    image[:, 0] = 1.0
    geometry = np.zeros((len(views), rows, GEOMETRY), np.float32)
    valid = np.zeros((len(views), rows), bool)
    near = np.zeros((len(views), rows, rows), np.uint8)
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in WIDTHS]
    for index, view in enumerate(views):
        count = len(view.geometry) - 1
        image[index, :, : view.image.shape[1], : view.image.shape[2]] = view.image
        geometry[index, :count] = view.geometry[1:]
        valid[index, :count] = True
        near[index, :count, :count] = build_neighbor_table(count, view.edges, view.traces)
        for level, (row, column, region, weight) in enumerate(_build_pools(view.labels, count)):
            cell = (index * (height >> level + 1) + row) * (width >> level + 1) + column
            parts[level].append((cell, index * rows + region - 1, weight))
    pools = tuple(tuple(torch.from_numpy(np.concatenate(part)) for part in zip(*level, strict=True)) for level in parts)
    return ViewBatch(torch.from_numpy(image), pools, torch.from_numpy(geometry), torch.from_numpy(valid), torch.from_numpy(near))  # type: ignore[arg-type]


def build_neighbor_table(count: int, edges: np.ndarray, traces: np.ndarray) -> np.ndarray:
    """How regions lie to each other, uint8 (R, R); row r is region r + 1. `edges`, `traces` as in Shapes."""
    near = np.zeros((count, count), np.uint8)
    a, b = edges.T.astype(np.int64) - 1
    near[a, b] = near[b, a] = np.where(traces, TRACE, LINE)
    np.fill_diagonal(near, SELF)
    return near


def _build_pools(labels: np.ndarray, count: int) -> list[tuple[np.ndarray, ...]]:
    """For each level: row, column, region and weight of the cells that regions cover; the weights of a region add up to 1."""
    half = labels[::2, ::2].copy()
    lost = np.bincount(half.ravel(), minlength=count + 1)[labels] == 0
    y, x = np.nonzero(lost)
    half[y // 2, x // 2] = labels[y, x]
    row, column = np.nonzero(half)
    region, number = half[row, column].astype(np.int64), np.ones(len(row))
    result = []
    for level in range(len(WIDTHS)):
        if level:
            row, column = row // 2, column // 2
            size = (int(region.max(initial=0)) + 1, half.shape[0], half.shape[1])
            code, inverse = np.unique(np.ravel_multi_index((region, row, column), size), return_inverse=True)
            number = np.bincount(inverse, number, len(code))
            region, row, column = np.unravel_index(code, size)
        total = np.bincount(region, number, count + 1)
        result.append((row, column, region, (number / total[region]).astype(np.float32)))
    return result


class _ConvBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.norms[0](self.first(x)))
        return functional.silu(self.norms[1](self.second(y)) + self.shortcut(x))


class _UpsampleBlock(nn.Module):
    """On the way up: what was seen from afar, added to what is seen here."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.lift = nn.Conv2d(coarse, fine, 1)
        self.mix = nn.Conv2d(fine, fine, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        lifted = functional.interpolate(self.lift(coarse), scale_factor=2.0, mode="nearest")
        return functional.silu(self.norm(self.mix(fine + lifted))) + fine


class _RegionAttention(nn.Module):
    """Regions ask regions. With `near` (B, Q, K), how they lie to each other adds to what they have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.norm_of = nn.LayerNorm(TOKEN), nn.LayerNorm(TOKEN)
        self.ask, self.tell, self.out = nn.Linear(TOKEN, TOKEN), nn.Linear(TOKEN, 2 * TOKEN), nn.Linear(TOKEN, TOKEN)
        self.bias = nn.Embedding(4, HEADS)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, of: Tensor, valid: Tensor, near: Tensor | None = None) -> Tensor:
        def split(t: Tensor) -> Tensor:
            return t.unflatten(-1, (HEADS, -1)).transpose(1, 2)

        query = split(self.ask(self.norm(x)))
        key, value = (split(t) for t in self.tell(self.norm_of(of)).chunk(2, -1))
        hidden = torch.zeros(valid.shape, dtype=query.dtype, device=x.device).masked_fill(~valid, -1e4)[:, None, None]
        attended = []
        for first in range(0, x.shape[1], CHUNK):
            rows = slice(first, first + CHUNK)
            mask = hidden
            if near is not None:
                mask = hidden + self.bias(near[:, rows].int()).permute(0, 3, 1, 2).to(query.dtype)
            attended.append(functional.scaled_dot_product_attention(query[:, :, rows], key, value, attn_mask=mask))
        return x + self.out(torch.cat(attended, 2).transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(TOKEN), nn.Linear(TOKEN, 2 * TOKEN), nn.GELU(), nn.Linear(2 * TOKEN, TOKEN))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class MatcherNetwork(nn.Module):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (4 * CHANNELS, *WIDTHS)
        self.down = nn.ModuleList(_ConvBlock(a, b) for a, b in zip(inputs[:-1], inputs[1:], strict=True))
        self.up = nn.ModuleList(_UpsampleBlock(b, a) for a, b in zip(WIDTHS[:-1], WIDTHS[1:], strict=True))
        self.point = nn.Sequential(nn.Linear(sum(WIDTHS[:3]), 128), nn.GELU(), nn.Linear(128, POINT))
        self.look = nn.Sequential(nn.LayerNorm(sum(WIDTHS)), nn.Linear(sum(WIDTHS), TOKEN))
        self.shape = nn.Sequential(nn.Linear(GEOMETRY, 64), nn.GELU(), nn.Linear(64, TOKEN))
        self.within = nn.ModuleList(nn.ModuleList([_RegionAttention(), _FeedForward()]) for _ in range(2))
        self.between = nn.ModuleList(nn.ModuleList([_RegionAttention(), _RegionAttention(), _FeedForward()]) for _ in range(2))
        self.alike, self.lone = nn.Linear(TOKEN, TOKEN), nn.Linear(TOKEN, 1)
        self.final, self.single = nn.Linear(TOKEN, TOKEN), nn.Linear(TOKEN, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.3))  # log

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Features (P, WIDTHS[i], h / 2^(i + 1), w / 2^(i + 1)) of images (P, CHANNELS, h, w)."""
        x = functional.pixel_unshuffle(image, 2).contiguous(memory_format=torch.channels_last)
        levels: list[Tensor] = []
        for depth, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if depth else x)
            levels.append(x)
        for depth in reversed(range(len(self.up))):
            levels[depth] = self.up[depth](levels[depth + 1], levels[depth])
        return levels

    def encode(self, batch: ViewBatch) -> tuple[Tensor, list[Tensor]]:
        """Tokens (P, R, TOKEN) of the regions, which know their own picture, and the pyramid."""
        levels = self.pyramid(batch.image)
        count, rows = batch.valid.shape
        pooled = []
        for level, (cell, region, weight) in zip(levels, batch.pools, strict=True):
            flat = level.permute(0, 2, 3, 1).reshape(-1, level.shape[1])
            sums = torch.zeros(count * rows, level.shape[1], device=level.device)
            pooled.append(sums.index_add(0, region, flat[cell].float() * weight[:, None]))
        tokens = self.look(torch.cat(pooled, 1)).reshape(count, rows, TOKEN) + self.shape(batch.geometry)
        for attend, think in self.within:  # type: ignore[misc]
            tokens = think(attend(tokens, tokens, batch.valid, batch.near))
        return tokens, levels

    def similar(self, a: Tensor, b: Tensor) -> Tensor:
        """How alike regions are without a closer look, (B, R, S + 1), the last column for none."""
        first, second = functional.normalize(self.alike(a), dim=-1), functional.normalize(self.alike(b), dim=-1)
        scores = first @ second.transpose(1, 2) * self.sharpness.exp()
        return torch.cat([scores.float(), self.lone(a).float()], 2)

    def compare(self, a: Tensor, valid_a: Tensor, near_a: Tensor, b: Tensor, valid_b: Tensor, near_b: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, R, S + 1) of A's regions among B's and (B, S, R + 1) the other way, the last column for none; softmax makes them
        probabilities."""
        base_a, base_b = self.similar(a, b), self.similar(b, a)
        for across, within, think in self.between:  # type: ignore[misc]
            a, b = across(a, b, valid_b), across(b, a, valid_a)
            a, b = think(within(a, a, valid_a, near_a)), think(within(b, b, valid_b, near_b))
        scores = (self.final(a) @ self.final(b).transpose(1, 2) / TOKEN**0.5).float()
        forth = base_a + torch.cat([scores, self.single(a).float()], 2)
        back = base_b + torch.cat([scores.transpose(1, 2), self.single(b).float()], 2)
        forth[:, :, :-1].masked_fill_(~valid_b[:, None], -1e4)
        back[:, :, :-1].masked_fill_(~valid_a[:, None], -1e4)
        return forth, back

    def points(self, levels: Sequence[Tensor], picture: Tensor, xy: Tensor) -> Tensor:
        """What is at points xy (N, 2), in px of the images, of pictures (N,): unit vectors (N, POINT)."""
        found = []
        for level, features in enumerate(levels[:3]):
            height, width = features.shape[2:]
            x, y = (xy / 2 ** (level + 1) - 0.5).unbind(1)
            x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
            left, top = x.floor().long(), y.floor().long()
            right, below = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
            dx, dy = (x - left)[:, None], (y - top)[:, None]
            values = features.permute(0, 2, 3, 1)
            upper = values[picture, top, left] * (1 - dx) + values[picture, top, right] * dx
            lower = values[picture, below, left] * (1 - dx) + values[picture, below, right] * dx
            found.append(upper * (1 - dy) + lower * dy)
        return functional.normalize(self.point(torch.cat(found, 1)).float(), dim=1)
