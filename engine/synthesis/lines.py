"""Elements of ink -> pictures of line art."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, interpolate

from .damage import Inked, Pen

TRACE_COLORS = ((60, 70, 235), (235, 50, 50))  # around shadows and around highlights


@dataclass(frozen=True)
class Lines:
    """Line art.

    paint   uint8 (D, H, W, 4)  lines in their colors, straight alpha
    lines   bool (D, H, W)      binarised
    traces  bool (D, H, W)      those of `lines` that are trace lines
    """

    paint: Tensor
    lines: Tensor
    traces: Tensor


def draw(inked: Inked, pen: Pen, size: tuple[int, int], colors: Tensor, generator: Generator) -> Lines:
    """Draw ink. `colors` are those of the ink of each drawing, uint8 (D, 3). `generator` lives on the ink's device."""
    width, height = size
    count, device = len(pen.width), inked.xy.device
    cover, core = _splat(inked, count, size)
    cover = _texture(cover, pen, generator)
    main, trace = cover[:, 0], torch.maximum(cover[:, 1], cover[:, 2])
    alpha = torch.maximum(main, trace)
    lines = (alpha >= 0.5) | (core.any(1) & (alpha > 0.2))
    traces = lines & (trace > main)
    hard = (pen.smooth < 0.5)[:, None, None]
    alpha = torch.where(hard, lines.float(), alpha)

    palette = torch.cat([colors[:, None], torch.tensor(TRACE_COLORS, dtype=torch.uint8, device=device).expand(count, 2, 3)], 1)
    paint = torch.zeros((count, height, width, 4), dtype=torch.uint8, device=device)
    drawing, y, x = torch.nonzero(alpha > 0, as_tuple=True)
    kind = torch.where(trace > main, 1 + (cover[:, 2] > cover[:, 1]), 0)[drawing, y, x]
    paint[drawing, y, x] = torch.cat([palette[drawing, kind], (alpha[drawing, y, x] * 255 + 0.5).to(torch.uint8)[:, None]], 1)
    return Lines(paint, lines, traces)


def _splat(inked: Inked, count: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How far pixels are covered, float32 (D, 3, H, W) by kind, and which ones the middle of a line runs through."""
    width, height = size
    device = inked.xy.device
    flat = torch.zeros(count * 3 * height * width, device=device)
    core = torch.zeros(count * 3 * height * width, dtype=torch.bool, device=device)
    image = inked.drawing * 3 + inked.kind
    pixel = inked.xy.floor().to(torch.int64)
    reach = (inked.width / 2 + 1).ceil().to(torch.int64)
    for radius in range(1, int(reach.max()) + 1 if len(reach) else 1):
        rows = torch.nonzero(reach == radius)[:, 0]
        if not len(rows):
            continue
        offset = torch.arange(-radius, radius + 1, device=device)
        x = (pixel[rows, 0, None, None] + offset[None, None, :]).expand(-1, len(offset), -1)
        y = (pixel[rows, 1, None, None] + offset[None, :, None]).expand(-1, -1, len(offset))
        dx = x + 0.5 - inked.xy[rows, 0, None, None]
        dy = y + 0.5 - inked.xy[rows, 1, None, None]
        tx, ty = inked.tangent[rows, 0, None, None], inked.tangent[rows, 1, None, None]
        along = (dx * tx + dy * ty).abs().sub(0.5).clamp(min=0)  # an element is a capsule a pixel long
        across = dx * ty - dy * tx
        thick = inked.width[rows, None, None]
        alpha = (thick / 2 + 0.5 - (along * along + across * across).sqrt()).clamp(min=0)
        alpha = torch.minimum(alpha.clamp(max=1), thick)  # a line thinner than a pixel is paler
        valid = (alpha > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        index = (image[rows, None, None] * height + y) * width + x
        flat.scatter_reduce_(0, index[valid], alpha[valid], "amax")
        middle = valid[:, radius, radius]
        core[index[:, radius, radius][middle]] = True
    shape = (count, 3, height, width)
    return flat.reshape(shape), core.reshape(shape)


def _texture(cover: Tensor, pen: Pen, generator: Generator) -> Tensor:
    """Pencil grain and scan noise."""
    count, _, height, width = cover.shape
    if not bool(((pen.grain > 0) | (pen.noise > 0)).any()):
        return cover
    device = cover.device
    tooth = torch.rand((count, 1, (height + 1) // 2, (width + 1) // 2), generator=generator, device=device)
    tooth = interpolate(tooth, (height, width), mode="bilinear", align_corners=False)
    grain = pen.grain[:, None, None, None]
    cover = cover * (1 - grain * (tooth - 0.35).clamp(min=0) * 1.6)
    noise = pen.noise[:, None, None, None]
    soft = avg_pool2d(cover, 3, 1, 1) * 1.35
    cover = torch.lerp(cover, soft.clamp(max=1), noise * 0.8)
    rough = torch.randn(cover[:, :1].shape, generator=generator, device=device)
    cover = cover + rough * noise * 0.12 * (cover > 0.02)
    specks = (rough > 4.1) & (noise > 0.3)
    return torch.where(specks & (torch.arange(3, device=device) == 0)[None, :, None, None], 0.8, cover).clamp(0, 1)
