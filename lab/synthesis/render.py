"""Renders posed primitives: what each pixel of each drawing shows.

Each primitive is intersected only in its own box on the screen. The boxes of all primitives of all drawings are concatenated to one long
list of fragments, so the same few vector operations process one drawing on a CPU and a thousand on a GPU.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from . import primitives, rays
from .batch import DrawingBatch
from .figure import FLAT, GLOSSY, OUTLINE, SHINY, ToonFigure

DEPTH_STEP = 1 / 256  # px
_CHUNK = 1 << 16  # fragments at a time, which stay in a core's cache
_EMPTY = -(1 << 62)


@dataclass(frozen=True)
class RenderedLayers:
    """What each pixel shows, all (D, H, W).

    part   int32    number of the part, 0 the background
    tone   uint8    0 base, 1 shadow, 2 highlight
    prim   int32    row of the figure's primitives, -1 nothing
    facet  uint8    side of a box, 1 the inside of a shell
    depth  float32  z in px, larger is nearer
    """

    part: Tensor
    tone: Tensor
    prim: Tensor
    facet: Tensor
    depth: Tensor


def render_layers(batch: DrawingBatch) -> RenderedLayers:
    """What each pixel of a batch of drawings shows."""
    prims, figure = batch.prims, batch.figure
    inverse = prims.invert_matrices()
    low, high = primitives.compute_screen_boxes(prims)
    nearest = _find_nearest(batch, inverse, low, high)
    inverse = inverse.float()

    visible = torch.nonzero(nearest > _EMPTY)[:, 0]
    key = nearest.index_select(0, visible)
    row = key & 0xFFFFFFFF
    z = (key >> 32).to(torch.float32) * DEPTH_STEP
    at = inverse.index_select(0, row)
    x, y = _compute_pixel_centers(visible, batch.size)
    local = transform_to_local(at, x, y, z)
    kind, params = prims.kind.index_select(0, row), prims.params.index_select(0, row)
    prim = batch.prim.index_select(0, row)
    part = figure.part.index_select(0, prim)
    facet = torch.zeros_like(kind)
    boxes = torch.nonzero(kind == primitives.BOX)[:, 0]
    facet[boxes] = _find_box_face(local[boxes])
    decal = _find_decals(batch, inverse, low, high, nearest).index_select(0, visible)
    part = torch.where(decal >= 0, figure.decal_part.index_select(0, decal.clamp(min=0)), part)
    shells = torch.nonzero(kind == primitives.SHELL)[:, 0]
    shells = shells[primitives.find_inner_points(local[shells], params[shells], at[shells])]
    part[shells] = figure.lining[prim[shells]]
    facet[shells] = 1

    def scatter_image(values: Tensor, fill: float) -> Tensor:
        full = torch.full((len(nearest),), fill, dtype=values.dtype, device=values.device)
        return full.scatter_(0, visible, values).reshape(batch.count, batch.size[1], batch.size[0])

    depth = scatter_image(z, -torch.inf)
    parts = scatter_image(part.to(torch.int32), 0)
    tone = torch.zeros(parts.shape, dtype=torch.uint8, device=parts.device)
    if batch.tones.any():
        lit = primitives.compute_normals(kind, local, params, at) * batch.light.index_select(0, prims.drawing.index_select(0, row))
        tone = _compute_tones(batch, parts, scatter_image(lit.sum(1), 1.0), depth)
    return _remove_specks(RenderedLayers(parts, tone, scatter_image(prim.to(torch.int32), -1), scatter_image(facet, 0), depth))


def _compute_pixel_centers(pixel: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The middles of pixels that are counted through all drawings: x, y float32 (N,)."""
    line = pixel // size[0]
    return (pixel - line * size[0]) + 0.5, line % size[1] + 0.5


def _remove_specks(layers: RenderedLayers) -> RenderedLayers:
    """Remove details that are one pixel thin, which a person would not draw: such a pixel becomes like most pixels around it."""
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
    return RenderedLayers(*(image.reshape(layers.part.shape) for image in (part, tone, prim, facet, depth)))


def transform_to_local(inverse: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Points of the screen (N,) in the canonical spaces of primitives with these inverses (N, 3, 4): (N, 3)."""
    return (inverse[:, :, 0] * x[:, None] + inverse[:, :, 1] * y[:, None]) + (inverse[:, :, 2] * z[:, None] + inverse[:, :, 3])


def _find_pixel_rows(low: Tensor, high: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The rows of pixels of boxes on screens: number of the box, y, first x, and last x plus 1, int64 (S,)."""
    limit = torch.tensor(size, device=low.device)
    first = torch.minimum(low.floor().to(torch.int64).clamp(min=0), limit)
    last = torch.minimum(high.ceil().to(torch.int64), limit)
    tall = torch.where(last[:, 0] > first[:, 0], (last - first)[:, 1].clamp(min=0), 0)
    box = torch.repeat_interleave(torch.arange(len(tall), device=low.device), tall)
    y = torch.arange(len(box), device=low.device) - (tall.cumsum(0) - tall)[box] + first[box, 1]
    return box, y, first[box, 0], last[box, 0]


def _iterate_fragments(first: Tensor, last: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels of rows, in chunks: number of the row and x, int64 (F,)."""
    wide = (last - first).clamp(min=0)
    ends = wide.cumsum(0)
    total, done, start = int(ends[-1]) if len(ends) else 0, 0, 0
    chunk = _CHUNK if first.device.type == "cpu" else 1 << 25
    while done < total:
        stop = len(ends) if total - done <= chunk else max(int(torch.searchsorted(ends, done + chunk, right=True)), start + 1)
        reached = int(ends[stop - 1])
        span = torch.repeat_interleave(torch.arange(start, stop, device=first.device), wide[start:stop], output_size=reached - done)
        shift = first[start:stop] - (ends - wide)[start:stop] + done
        yield span, torch.arange(reached - done, device=first.device) + shift.index_select(0, span - start)
        start, done = stop, reached


def _find_nearest(batch: DrawingBatch, inverse: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """For each pixel the depth in steps and the row of what is nearest, as one number, int64 (D * H * W,)."""
    width, height = batch.size
    prims = batch.prims
    best = torch.full((batch.count * height * width,), _EMPTY, dtype=torch.int64, device=low.device)
    plane = torch.where(prims.kind == primitives.TRIANGLE, 0.0, prims.matrix[:, 2, 3])  # rays start near the body: small numbers
    middle = (low[:, 0] + high[:, 0]) / 2
    across, down, toward, origin = inverse.unbind(2)
    origin = origin + toward * plane[:, None] + across * middle[:, None]
    for kind in range(5):
        rows = torch.nonzero(prims.kind == kind)[:, 0]
        box, y, first, last = _find_pixel_rows(low[rows], high[rows], batch.size)
        row = rows[box]
        start = (origin[row] + down[row] * (y + 0.5)[:, None]).T
        met = rays.solve_rows(kind, rays.PixelRows(start, across[row].T, toward[row].T, prims.params[row].T.double(), prims.hem[row]))
        shift = 0.5 - middle[row]
        first = torch.maximum(first, (met.first - shift).clamp(-1, width).ceil().to(torch.int64))
        last = torch.minimum(last, (met.last - shift).clamp(-1, width).floor().to(torch.int64) + 1)
        line = (prims.drawing[row] * height + y) * width
        near = plane[row]
        for span, x in _iterate_fragments(first, last):
            hit, t = rays.intersect_rays(kind, met, span, x + shift.index_select(0, span), prims.hems)
            if len(hit) < len(span):
                span, x = span.index_select(0, hit), x.index_select(0, hit)
            depth = ((t + near.index_select(0, span)) / DEPTH_STEP).round().to(torch.int64)
            best.scatter_reduce_(0, line.index_select(0, span) + x, (depth << 32) | row.index_select(0, span), "amax")
    return best


def _find_decals(batch: DrawingBatch, inverse: Tensor, low: Tensor, high: Tensor, nearest: Tensor) -> Tensor:
    """The topmost decal at each pixel, -1 none, int64 (D * H * W,)."""
    width, height = batch.size
    figure, prims, row = batch.figure, batch.prims, batch.pair_row
    found = torch.full((len(nearest),), -1, dtype=torch.int64, device=low.device)
    number, box = figure.pairs[batch.pair, 1], figure.pair_box[batch.pair]
    matrix = prims.matrix[row, :2]
    middle, half = (box[:, 0] + box[:, 1]) / 2, (box[:, 1] - box[:, 0]) / 2
    center = (matrix[:, :, :3] * middle[:, None]).sum(2) + matrix[:, :, 3]
    reach = (matrix[:, :, :3].abs() * half[:, None]).sum(2) + 1
    flat = (prims.kind[row] == primitives.TRIANGLE)[:, None]
    low, high = low[row], high[row]
    pair, y, first, last = _find_pixel_rows(
        torch.where(flat, low, torch.maximum(low, center - reach)), torch.where(flat, high, torch.minimum(high, center + reach)), batch.size
    )
    line = (prims.drawing[row[pair]] * height + y) * width
    row_of = row[pair]
    for span, x in _iterate_fragments(first, last):
        key = nearest.index_select(0, line.index_select(0, span) + x)
        shown = torch.nonzero(((key & 0xFFFFFFFF) == row_of.index_select(0, span)) & (key > _EMPTY))[:, 0]
        span, x, z = (
            span.index_select(0, shown),
            x.index_select(0, shown),
            (key.index_select(0, shown) >> 32).to(torch.float32) * DEPTH_STEP,
        )
        own = row_of.index_select(0, span)
        local = transform_to_local(inverse.index_select(0, own), x + 0.5, y.index_select(0, span) + 0.5, z)
        decal = number.index_select(0, pair.index_select(0, span))
        chart = _project_to_charts(figure, decal, batch.prim.index_select(0, own), local)
        within = figure.decal_within.index_select(0, decal)
        covered = _test_coverage(figure, decal, chart) & (figure.decal_side.index_select(0, decal) * local[:, 1] >= 0)
        inner = torch.nonzero(covered & (within >= 0))[:, 0]
        covered[inner] = _test_coverage(figure, within[inner], chart[inner])
        kept = torch.nonzero(covered)[:, 0]
        found.scatter_reduce_(0, (line.index_select(0, span) + x).index_select(0, kept), decal.index_select(0, kept), "amax")
    return found


def _project_to_charts(figure: ToonFigure, decal: Tensor, prim: Tensor, local: Tensor) -> Tensor:
    """Where points in the canonical space of primitives lie on the charts of decals, (F, 2)."""
    axes = figure.chart.index_select(0, prim)
    chart = (axes * local[:, None]).sum(2)
    around = torch.nonzero(figure.decal_round.index_select(0, decal))[:, 0]
    x, y, z = local[around].unbind(1)
    chart[around] = torch.stack([torch.atan2(x, y), z], 1)
    return chart


def _test_coverage(figure: ToonFigure, decal: Tensor, chart: Tensor) -> Tensor:
    """Whether decals cover points of their charts, bool (F,)."""
    matrix = figure.decal_matrix.index_select(0, decal)
    at = matrix[:, :, 0] * chart[:, :1] + matrix[:, :, 1] * chart[:, 1:] + matrix[:, :, 2]
    period = figure.decal_period.index_select(0, decal)
    at = torch.where(period > 0, at - period * (at / period.clamp(min=1e-6)).round(), at)
    square = (at * at).sum(1)
    turn = (torch.atan2(at[:, 1], at[:, 0]) / (2 * torch.pi) + 0.5) * OUTLINE
    entry = turn.floor()
    weight = turn - entry
    entry = entry.to(torch.int64)
    table, base = figure.decal_outline.reshape(-1), decal * OUTLINE
    here, there = table.index_select(0, base + entry % OUTLINE), table.index_select(0, base + (entry + 1) % OUTLINE)
    radius = here + (there - here) * weight
    return square < radius * radius


def _compute_tones(batch: DrawingBatch, part: Tensor, lit: Tensor, depth: Tensor) -> Tensor:
    """Shadow where the surface faces away from the light or something near it is in front; highlight where it faces the light."""
    table = torch.tensor([p.tones for p in batch.figure.parts], dtype=torch.uint8, device=part.device)
    tones = table.index_select(0, part.reshape(-1)).reshape(part.shape) * batch.tones[:, None, None]
    dark = lit < 0.02
    width, height = batch.size
    for row, (unit, light) in enumerate(zip(batch.unit.tolist(), batch.light.tolist(), strict=True)):
        for reach in (0.05, 0.1, 0.16):
            dx, dy = round(light[0] * reach * unit), round(light[1] * reach * unit)
            if not (dx or dy) or abs(dx) >= width or abs(dy) >= height:
                continue
            here = depth[row, max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
            there = depth[row, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
            rise = there - here
            cast = (rise > (0.06 + reach * 0.6) * unit) & (rise < 0.9 * unit)
            dark[row, max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)] |= cast
    dark = _smooth_mask(dark) & (tones != FLAT)
    tone = dark.to(torch.uint8)
    shiny = tones >= SHINY
    if shiny.any():
        ring = (tones == GLOSSY) & (lit > 0.88) & (lit < 0.93)
        tone += 2 * (~dark & _smooth_mask(((tones == SHINY) & (lit > 0.965)) | ring))
    return tone


def _find_box_face(local: Tensor) -> Tensor:
    """Which face of a box points lie on or near, 2..7."""
    x, y, z = local.unbind(1)
    flat = (y.abs() > x.abs()) & (y.abs() >= z.abs())
    upright = (z.abs() > x.abs()) & (z.abs() > y.abs())
    axis = torch.where(upright, 4, torch.where(flat, 2, 0))
    return (2 + axis + (torch.where(upright, z, torch.where(flat, y, x)) > 0)).to(torch.uint8)


def _smooth_mask(mask: Tensor) -> Tensor:
    """Remove specks and slivers by a majority filter, 8 px wide in small pictures and more in large ones."""
    steps = [1 << k for k in range(max(3, round(math.log2(max(mask.shape[1:]) / 40))))]
    reach = 1 << len(steps)
    total = pad(mask.to(torch.int16), (reach // 2 - 1, reach // 2, reach // 2 - 1, reach // 2))
    for step in steps:
        total = total[:, :, :-step] + total[:, :, step:]
    for step in steps:
        total = total[:, :-step] + total[:, step:]
    return total > reach * reach // 2
