"""Posed primitives -> what each pixel of each drawing shows.

Each primitive is met only in its own box on the screen: the boxes of all primitives of all drawings are laid end to end as one long list of
fragments, so the same few vector operations serve one drawing on a CPU and a thousand on a GPU.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from . import primitives
from .figure import FLAT, GLOSSY, OUTLINE, SHINY, Figure
from .primitives import Primitives

DEPTH_STEP = 1 / 256  # px
_CHUNK = 1 << 17  # fragments at a time
_EMPTY = -(1 << 62)


@dataclass(frozen=True)
class View:
    """How a batch of drawings of one figure is seen. `light` points toward the light on the screen (x right, y down, z to the viewer)."""

    matrix: Tensor  # float32 (D, P, 3, 4), canonical space of each primitive to the screen
    light: Tensor  # float32 (D, 3)
    unit: Tensor  # float32 (D,), px of a unit of the figure
    size: tuple[int, int]  # width, height in px


@dataclass(frozen=True)
class Layers:
    """What each pixel shows, all (D, H, W).

    part   int64    number of the part, 0 the background
    tone   int64    0 base, 1 shadow, 2 highlight
    prim   int64    row of the figure's primitives, -1 nothing
    facet  int64    side of a box, 1 the inside of a shell
    depth  float32  z in px, larger is nearer
    """

    part: Tensor
    tone: Tensor
    prim: Tensor
    facet: Tensor
    depth: Tensor


def render(figure: Figure, view: View, tones: bool = True) -> Layers:
    """Draw a figure once for each row of the view."""
    count, rows = view.matrix.shape[:2]
    device = view.matrix.device
    width, height = view.size

    def tiled(column: Tensor) -> Tensor:
        return column.expand(count, *column.shape).reshape(count * column.shape[0], *column.shape[1:])

    drawing = torch.arange(count, device=device).repeat_interleave(rows)
    prims = Primitives(tiled(figure.kind), drawing, view.matrix.reshape(-1, 3, 4), tiled(figure.params), tiled(figure.hem), figure.hems)
    inverse = prims.inverse()
    low, high = primitives.boxes(prims)
    nearest = _nearest(prims, inverse, low, high, count, view.size)

    seen = torch.nonzero(nearest > _EMPTY)[:, 0]
    key = nearest[seen]
    row = key & 0xFFFFFFFF
    z = (key >> 32).to(torch.float32) * DEPTH_STEP
    at = inverse.index_select(0, row)
    local = to_local(at, seen % width + 0.5, (seen // width) % height + 0.5, z)
    kind, params = prims.kind[row], prims.params.index_select(0, row)
    own = row % rows
    within = primitives.inside(kind, local, params, at)
    facet = torch.where(kind == primitives.BOX, _face(local), 0)
    part = torch.where(within, figure.lining[own], figure.part[own])

    size = count * height * width
    if len(figure.pairs):
        decal = _decals(figure, prims, inverse, low, high, nearest, count, view.size)[seen]
        part = torch.where((decal >= 0) & ~within, figure.decal_part[decal.clamp(min=0)], part)

    def image(values: Tensor, fill: float) -> Tensor:
        full = torch.full((size,), fill, dtype=values.dtype, device=device)
        full[seen] = values
        return full.reshape(count, height, width)

    depth = image(z, -torch.inf)
    part_map = image(part, 0)
    tone = torch.zeros_like(part_map)
    if tones:
        normal = primitives.normals(kind, local, params, at)
        light = view.light[prims.drawing[row]]
        tone = _tones(figure, part_map, image((normal * light).sum(1), 1.0), depth, view)
    return _despeckled(Layers(part_map, tone, image(own, -1), image(facet + within, 0), depth))


def _despeckled(layers: Layers) -> Layers:
    """Without what is a pixel thin: such a pixel becomes what most pixels around it are. A person would not draw it."""
    height, width = layers.part.shape[1:]
    part, tone, prim, facet, depth = flat = [image.reshape(-1) for image in vars(layers).values()]
    for _ in range(2):
        mark = (part * 4 + tone).to(torch.int32).reshape(layers.part.shape)
        alike = torch.zeros(mark.shape, dtype=torch.uint8, device=mark.device)
        across, down = mark[:, :, 1:] == mark[:, :, :-1], mark[:, 1:] == mark[:, :-1]
        alike[:, :, 1:] += across
        alike[:, :, :-1] += across
        alike[:, 1:] += down
        alike[:, :-1] += down
        odd = torch.nonzero(alike[:, 1:-1, 1:-1] < 2)
        pixel = (odd[:, 0] * height + odd[:, 1] + 1) * width + odd[:, 2] + 1
        around = pixel[:, None] + torch.tensor([-1, 1, -width, width], device=mark.device)
        marks = mark.reshape(-1)[around]
        best = (marks[:, :, None] == marks[:, None]).sum(2).argmax(1)
        source = around.gather(1, best[:, None])[:, 0]
        for image in flat:
            image[pixel] = image[source]
    return Layers(*(image.reshape(layers.part.shape) for image in (part, tone, prim, facet, depth)))


def to_local(inverse: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Points of the screen (N,) in the canonical spaces of primitives with these inverses (N, 3, 4): (N, 3)."""
    return (inverse[:, :, 0] * x[:, None] + inverse[:, :, 1] * y[:, None]) + (inverse[:, :, 2] * z[:, None] + inverse[:, :, 3])


def _fragments(low: Tensor, high: Tensor, size: tuple[int, int]) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The pixels of boxes, in chunks of spans, which are rows of boxes: number of the box, y (S,), and number of the span, x (F,)."""
    device = low.device
    limit = torch.tensor(size, device=device)
    first = torch.minimum(low.floor().to(torch.int64).clamp(min=0), limit)
    extent = (torch.minimum(high.ceil().to(torch.int64), limit) - first).clamp(min=0)
    tall = torch.where(extent[:, 0] > 0, extent[:, 1], 0)
    box = torch.repeat_interleave(torch.arange(len(tall), device=device), tall)
    y = torch.arange(len(box), device=device) - (tall.cumsum(0) - tall)[box] + first[box, 1]
    ends = extent[box, 0].cumsum(0)
    start = 0
    while start < len(box):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(torch.searchsorted(ends, before + _CHUNK, right=True)), start + 1)
        rows = slice(start, stop)
        wide = extent[box[rows], 0]
        span = torch.repeat_interleave(torch.arange(stop - start, device=device), wide, output_size=int(ends[stop - 1]) - before)
        shift = first[box[rows], 0] - (ends[rows] - wide - before)
        yield box[rows], y[rows], span, torch.arange(len(span), device=device) + shift.index_select(0, span)
        start = stop


def _nearest(prims: Primitives, inverse: Tensor, low: Tensor, high: Tensor, count: int, size: tuple[int, int]) -> Tensor:
    """For each pixel the depth in steps and the row of what is nearest, as one number, int64 (D * H * W,)."""
    width, height = size
    best = torch.full((count * height * width,), _EMPTY, dtype=torch.int64, device=low.device)
    base = torch.where(prims.kind == primitives.TRIANGLE, 0.0, prims.matrix[:, 2, 3])  # rays begin near the body: small numbers
    start = inverse[:, :, 2] * base[:, None] + inverse[:, :, 3]
    for kind in range(5):
        rows = torch.nonzero(prims.kind == kind)[:, 0]
        for box, y, span, x in _fragments(low[rows], high[rows], size):
            row = rows[box]
            across, down, toward = inverse[row].permute(2, 1, 0)[:3].contiguous()
            left = torch.addcmul(start[row].T, down, y + 0.5)
            fx = x + 0.5
            origin = [torch.addcmul(left[i].index_select(0, span), across[i].index_select(0, span), fx) for i in range(3)]
            ray = [axis.index_select(0, span) for axis in toward]
            t = primitives.meet(kind, origin, ray, prims.params[row].T.contiguous(), prims.hem[row], prims.hems, span)
            hit = torch.nonzero(t > -1e8)[:, 0]
            span = span.index_select(0, hit)
            depth = ((t.index_select(0, hit) + base[row].index_select(0, span)) / DEPTH_STEP).round().to(torch.int64)
            pixel = ((prims.drawing[row] * height + y) * width).index_select(0, span) + x.index_select(0, hit)
            best.scatter_reduce_(0, pixel, (depth << 32) | row.index_select(0, span), "amax")
    return best


def _decals(
    figure: Figure, prims: Primitives, inverse: Tensor, low: Tensor, high: Tensor, nearest: Tensor, count: int, size: tuple[int, int]
) -> Tensor:
    """The topmost decal at each pixel, -1 none, int64 (D * H * W,)."""
    width, height = size
    rows = len(figure.kind)
    step = torch.arange(count, device=low.device)[:, None] * rows
    prim = (figure.pairs[:, 0] + step).reshape(-1)
    decal = figure.pairs[:, 1].repeat(count)
    box = figure.pair_box.repeat(count, 1, 1)
    matrix = prims.matrix[prim, :2]
    middle, half = (box[:, 0] + box[:, 1]) / 2, (box[:, 1] - box[:, 0]) / 2
    center = (matrix[:, :, :3] @ middle[:, :, None])[..., 0] + matrix[:, :, 3]
    reach = (matrix[:, :, :3].abs() @ half[:, :, None])[..., 0] + 1
    flat = (prims.kind[prim] == primitives.TRIANGLE)[:, None]
    first = torch.where(flat, low[prim], torch.maximum(low[prim], center - reach))
    last = torch.where(flat, high[prim], torch.minimum(high[prim], center + reach))

    found = torch.full((count * height * width,), -1, dtype=torch.int64, device=low.device)
    for pair, y, span, x in _fragments(first, last, size):
        row = prim[pair]
        pixel = ((prims.drawing[row] * height + y) * width).index_select(0, span) + x
        key = nearest.index_select(0, pixel)
        shown = torch.nonzero((key & 0xFFFFFFFF == row.index_select(0, span)) & (key > _EMPTY))[:, 0]
        span, pixel, key = span[shown], pixel[shown], key[shown]
        pair, row = pair[span], row[span]
        z = (key >> 32).to(torch.float32) * DEPTH_STEP
        local = to_local(inverse.index_select(0, row), x[shown] + 0.5, y[span] + 0.5, z)
        number = decal[pair]
        within = figure.decal_within[number]
        covered = _covers(figure, number, row % rows, local)
        covered &= (within < 0) | _covers(figure, within.clamp(min=0), row % rows, local)
        found.scatter_reduce_(0, pixel[covered], number[covered], "amax")
    return found


def _covers(figure: Figure, decal: Tensor, prim: Tensor, local: Tensor) -> Tensor:
    """Whether decals cover points in the canonical space of primitives, bool (F,)."""
    flat = (figure.chart[prim] @ local[:, :, None])[..., 0]
    azimuth = torch.stack([torch.atan2(local[:, 0], local[:, 1]), local[:, 2]], 1)
    chart = torch.where(figure.decal_round[decal][:, None], azimuth, flat)
    matrix = figure.decal_matrix[decal]
    at = (matrix[:, :, :2] @ chart[:, :, None])[..., 0] + matrix[:, :, 2]
    period = figure.decal_period[decal]
    at = torch.where(period > 0, at - period * (at / period.clamp(min=1e-6)).round(), at)
    turn = (torch.atan2(at[:, 1], at[:, 0]) / (2 * torch.pi) + 0.5) * OUTLINE
    entry = turn.floor()
    weight = turn - entry
    entry = entry.to(torch.int64)
    table, base = figure.decal_outline.reshape(-1), decal * OUTLINE
    radius = torch.lerp(table[base + entry % OUTLINE], table[base + (entry + 1) % OUTLINE], weight)
    side = figure.decal_side[decal]
    return ((at * at).sum(1) < radius * radius) & (side * local[:, 1] >= 0)


def _tones(figure: Figure, part: Tensor, lit: Tensor, depth: Tensor, view: View) -> Tensor:
    """Shadow where the surface turns from the light or something close by stands before it; highlight where it faces the light."""
    tones = torch.tensor([p.tones for p in figure.parts], device=part.device)[part]
    dark = lit < 0.02
    width, height = view.size
    for row, (unit, light) in enumerate(zip(view.unit.tolist(), view.light.tolist(), strict=True)):
        for reach in (0.05, 0.1, 0.16):
            dx, dy = round(light[0] * reach * unit), round(light[1] * reach * unit)
            if not (dx or dy) or abs(dx) >= width or abs(dy) >= height:
                continue
            here = depth[row, max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
            there = depth[row, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
            rise = there - here
            cast = (rise > (0.06 + reach * 0.6) * unit) & (rise < 0.9 * unit)
            dark[row, max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)] |= cast
    dark = _smooth(dark) & (tones != FLAT)
    ring = (tones == GLOSSY) & (lit > 0.88) & (lit < 0.93)
    bright = ~dark & _smooth(((tones == SHINY) & (lit > 0.965)) | ring)
    return dark.to(torch.int64) + 2 * bright.to(torch.int64)


def _face(local: Tensor) -> Tensor:
    """Which face of a box points lie on or near, 2..7."""
    x, y, z = local.unbind(1)
    flat = (y.abs() > x.abs()) & (y.abs() >= z.abs())
    upright = (z.abs() > x.abs()) & (z.abs() > y.abs())
    axis = torch.where(upright, 4, torch.where(flat, 2, 0))
    return 2 + axis + (torch.where(upright, z, torch.where(flat, y, x)) > 0)


def _smooth(mask: Tensor) -> Tensor:
    """Without flecks and slivers: where most of the neighborhood is, 8 px wide in small pictures and more in large ones."""
    steps = [1 << k for k in range(max(3, round(math.log2(max(mask.shape[1:]) / 40))))]
    reach = 1 << len(steps)
    total = pad(mask.to(torch.int16), (reach // 2 - 1, reach // 2, reach // 2 - 1, reach // 2))
    for step in steps:
        total = total[:, :, :-step] + total[:, :, step:]
    for step in steps:
        total = total[:, :-step] + total[:, step:]
    return total > reach * reach // 2
