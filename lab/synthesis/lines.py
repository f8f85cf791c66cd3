"""Elements of ink -> pictures of line art."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .damage import InkElements, Pen
from .noise import draw_bits, draw_uniform

_TOOTH, _ROUGH, _SPECK = 1000, 1001, 1002  # what accidents are drawn for
_SPECKS = 1 << 16  # pixels to a speck
TRACE_COLORS = ((60, 70, 235), (235, 50, 50))  # around shadows and around highlights


@dataclass(frozen=True)
class DrawnLines:
    """Line art.

    paint   uint8 (D, H, W, 4)  lines in their colors, straight alpha
    lines   bool (D, H, W)      binarised
    traces  bool (D, H, W)      those of `lines` that are trace lines
    """

    paint: Tensor
    lines: Tensor
    traces: Tensor


def draw_lines(inked: InkElements, pen: Pen, size: tuple[int, int], colors: Tensor) -> DrawnLines:
    """Draw ink. `colors` are those of the ink of each drawing, uint8 (D, 3)."""
    width, height = size
    count, device = len(pen.width), inked.xy.device
    cover, core = _splat_elements(inked, count, size)
    rough = torch.nonzero((pen.grain > 0) | (pen.noise > 0))[:, 0]
    if len(rough):
        cover[rough] = _add_texture(cover[rough], pen[rough])
    squeezed = torch.nonzero(pen.jpeg > 0)[:, 0]
    if len(squeezed):
        cover[squeezed] = _compress_as_jpeg(cover[squeezed], pen.jpeg[squeezed])
    main, trace = cover[:, 0], torch.maximum(cover[:, 1], cover[:, 2])
    alpha = torch.maximum(main, trace)
    lines = (alpha >= 0.5) | (core.any(1) & (alpha > 0.2))
    traces = lines & (trace > main)
    hard = (pen.smooth < 0.5)[:, None, None]
    alpha = torch.where(hard, lines.float(), alpha)

    palette = torch.cat([colors[:, None], torch.tensor(TRACE_COLORS, dtype=torch.uint8, device=device).expand(count, 2, 3)], 1)
    paint = torch.zeros((count, height, width, 4), dtype=torch.uint8, device=device)
    pixel = torch.nonzero(alpha.reshape(-1) > 0)[:, 0]
    drawing = pixel // (height * width)
    ink, blue, red = (cover.reshape(-1).index_select(0, pixel + (2 * drawing + k) * height * width) for k in range(3))
    kind = torch.where(torch.maximum(blue, red) > ink, 1 + (red > blue), 0)
    opaque = (alpha.reshape(-1).index_select(0, pixel) * 255 + 0.5).to(torch.uint8)
    rgb = palette.reshape(-1, 3).index_select(0, drawing * 3 + kind)
    paint.view(-1, 4).index_copy_(0, pixel, torch.cat([rgb, opaque[:, None]], 1))
    return DrawnLines(paint, lines, traces)


def _splat_elements(inked: InkElements, count: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How far pixels are covered, float32 (D, 3, H, W) by kind, and which ones the middle of a line runs through."""
    width, height = size
    device = inked.xy.device
    flat = torch.zeros(count * 3 * height * width, device=device)
    core = torch.zeros(count * 3 * height * width, dtype=torch.bool, device=device)
    image = inked.drawing * 3 + inked.kind
    pixel = inked.xy.floor().to(torch.int64)
    reach = (inked.width / 2 + 0.5).ceil().to(torch.int64)  # px around the element's own, which is half a px long either way
    for radius in range(1, int(reach.max()) + 1 if len(reach) else 1):
        rows = torch.nonzero(reach == radius)[:, 0]
        if not len(rows):
            continue
        offset = torch.arange(-radius, radius + 1, device=device)
        x = pixel[rows, 0, None, None] + offset[None, None, :]
        y = pixel[rows, 1, None, None] + offset[None, :, None]
        dx = x + 0.5 - inked.xy[rows, 0, None, None]
        dy = y + 0.5 - inked.xy[rows, 1, None, None]
        tx, ty = inked.tangent[rows, 0, None, None], inked.tangent[rows, 1, None, None]
        along = (dx * tx + dy * ty).abs().sub(0.5).clamp(min=0)  # an element is a capsule a pixel long
        across = dx * ty - dy * tx
        thick = inked.width[rows, None, None]
        alpha = (thick / 2 + 0.5 - (along * along + across * across).sqrt()).clamp(min=0)
        alpha = torch.minimum(alpha.clamp(max=1), thick)  # a line thinner than a pixel is paler
        valid = (alpha > 0) & ((x >= 0) & (x < width)) & ((y >= 0) & (y < height))
        index = (image[rows, None, None] * height + y) * width + x
        some = torch.nonzero(valid.reshape(-1))[:, 0]
        flat.scatter_reduce_(0, index.reshape(-1).index_select(0, some), alpha.reshape(-1).index_select(0, some), "amax")
        middle = valid[:, radius, radius]
        core[index[:, radius, radius][middle]] = True
    shape = (count, 3, height, width)
    return flat.reshape(shape), core.reshape(shape)


def _add_texture(cover: Tensor, pen: Pen) -> Tensor:
    """Pencil grain and scan noise, where there is ink or ink beside."""
    count, kinds, height, width = cover.shape
    near = pad((cover > 0).any(1), (1, 1, 1, 1))
    near = near[:, 1:-1] | near[:, :-2] | near[:, 2:]
    pixel = torch.nonzero((near[..., 1:-1] | near[..., :-2] | near[..., 2:]).reshape(-1))[:, 0]
    line = pixel // width
    drawing, x = line // height, pixel - line * width
    y = line - drawing * height
    seed, noise = pen.seed[drawing], pen.noise[drawing]
    tooth = (draw_uniform(seed, (y >> 1) * width + (x >> 1), _TOOTH) + draw_uniform(seed, (y + 1 >> 1) * width + (x + 1 >> 1), _TOOTH)) / 2
    pressed = 1 - pen.grain[drawing] * (tooth - 0.35).clamp(min=0) * 1.6
    chance = draw_bits(seed, y * width + x, _ROUGH)
    rough = ((chance & 0xFFFF) + (chance >> 16)).to(torch.float32) * (2.45 / 65536) - 2.45  # of variance 1
    flat, result = cover.reshape(-1), cover.clone().reshape(-1)
    rows = [((drawing * kinds * height) + (y + k).clamp(0, height - 1)) * width for k in (-1, 0, 1)]
    columns = [(x + k).clamp(0, width - 1) for k in (-1, 0, 1)]
    for kind in range(kinds):
        shift = kind * height * width
        around = [flat.index_select(0, row + column + shift) for row in rows for column in columns]
        soft = (sum(around[1:], around[0]) * 0.15 * pressed).clamp(max=1)
        own = around[4] * pressed
        own = own + (soft - own) * (noise * 0.8)
        own = own + rough * noise * 0.12 * (own > 0.02)
        result.index_copy_(0, rows[1] + columns[1] + shift, own.clamp(0, 1))
    # Specks of dust, a few anywhere.
    speck = torch.arange(height * width // _SPECKS + 1, device=cover.device)
    place = draw_bits(pen.seed[:, None], speck, _SPECK) % (height * width)
    dusty = (pen.noise > 0.3)[:, None].expand_as(place)
    index = torch.arange(count, device=cover.device)[:, None] * (kinds * height * width) + place
    result[index[dusty]] = 0.8
    return result.reshape(cover.shape)


def _compress_as_jpeg(cover: Tensor, strength: Tensor) -> Tensor:
    """As JPEG leaves it: waves in blocks of 8 x 8 px, in coarse steps."""
    count, kinds, height, width = cover.shape
    device = cover.device
    step = torch.arange(8, device=device)
    waves = torch.cos((2 * step[None] + 1) * step[:, None] * (torch.pi / 16)) * 0.5
    waves[0] *= 0.5**0.5
    coarse = (6 + 5 * (step[:, None] + step[None])) / 255
    padded = pad(cover, (0, -width % 8, 0, -height % 8))
    tall, wide = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = padded.reshape(count, kinds, tall, 8, wide, 8).transpose(3, 4).reshape(-1, 8, 8)
    inked = torch.nonzero(blocks.amax((1, 2)) > 0)[:, 0]
    steps = coarse * strength.repeat_interleave(kinds * tall * wide)[inked][:, None, None]
    blocks[inked] = waves.T @ ((waves @ blocks[inked] @ waves.T / steps).round() * steps) @ waves
    cover = blocks.reshape(count, kinds, tall, wide, 8, 8).transpose(3, 4).reshape(padded.shape)[:, :, :height, :width]
    return torch.where(cover < 0.05, 0.0, cover).clamp(max=1)  # what is fainter is paper
