"""Layers -> the strokes that a person would draw around their shapes.

Between neighboring pixels that show different things there is a crack. Cracks meet at the corners of pixels. Where two meet, a stroke
continues. Where three meet, the two that go straight are one stroke and the third ends there: the outline of the front shape continues, and
the other one stops at it. All strokes of all drawings are traced at once by pointer doubling.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .batch import DrawingBatch
from .figure import HIGHLIGHT, INK, SHADOW
from .render import RenderedLayers

CREASE = 0.05  # units; a step in depth that is drawn though both sides are one part
_SMOOTHING = 9  # rounds; the staircase of pixels becomes a curve
_AHEAD = 5  # elements; where a stroke is heading
_MIN_FREE = 7.0  # px; a crease shorter than this is not drawn
_STRAIGHT = 0.3  # cosine; less straight, and a stroke does not run through a junction
_ON_SURFACE = 0.05  # units; feature lines farther than this from the visible surface are hidden
_ROUNDS = 14  # of doubling: no stroke has more than 16,000 elements


@dataclass(frozen=True)
class StrokeElements:
    """Strokes as elements about a pixel apart. E elements of S strokes.

    xy       float32 (E, 2)  px
    tangent  float32 (E, 2)  unit direction of the stroke
    stroke   int64 (E,)
    arc      float32 (E,)    px from the stroke's start
    length   float32 (S,)    px
    drawing  int64 (S,)
    kind     int64 (S,)      figure.INK, SHADOW or HIGHLIGHT
    loose    bool (S, 2)     whether the start and the end are free: a crease that fades, a mouth
    closed   bool (S,)
    """

    xy: Tensor
    tangent: Tensor
    stroke: Tensor
    arc: Tensor
    length: Tensor
    drawing: Tensor
    kind: Tensor
    loose: Tensor
    closed: Tensor


def find_strokes(batch: DrawingBatch, layers: RenderedLayers) -> StrokeElements:
    """All strokes of a batch of drawings: outlines, creases, tone borders, and the visible feature lines of the figures."""
    return _concatenate_strokes(_find_outlines(batch, layers), _find_features(batch, layers))


def turn_traces_to_ink(lines: StrokeElements, drawings: Tensor) -> StrokeElements:
    """The same strokes, those of some drawings (bool (D,)) all ink: no trace lines."""
    return replace(lines, kind=torch.where(drawings[lines.drawing], INK, lines.kind))


def _concatenate_strokes(a: StrokeElements, b: StrokeElements) -> StrokeElements:
    shifted = b.stroke + len(a.length)
    pairs = {name: torch.cat([getattr(a, name), getattr(b, name)]) for name in a.__dataclass_fields__ if name != "stroke"}
    return StrokeElements(stroke=torch.cat([a.stroke, shifted]), **pairs)


def _find_cracks(batch: DrawingBatch, layers: RenderedLayers, mark: Tensor, step: int, kept: Tensor | None) -> tuple[Tensor, Tensor]:
    """The cracks between pixels and the ones `step` further on: the former, counted through all drawings, and the kind of line, int64 (E,).

    `mark` (D * H * W,) differs where pixels show different things; where `kept` is False there is no next pixel.
    """
    differs = mark[:-step] != mark[step:]
    here = torch.nonzero(differs if kept is None else differs & kept[:-step])[:, 0]
    there = here + step

    def read_both_sides(image: Tensor) -> tuple[Tensor, Tensor]:
        flat = image.reshape(-1)
        return flat.index_select(0, here), flat.index_select(0, there)

    (part, part2), (tone, tone2), (prim, prim2) = read_both_sides(layers.part), read_both_sides(layers.tone), read_both_sides(layers.prim)
    (facet, facet2), (depth, depth2) = read_both_sides(layers.facet), read_both_sides(layers.depth)
    edge = torch.tensor([p.edge for p in batch.figure.parts], device=part.device)
    unit = batch.unit.index_select(0, here // (batch.size[0] * batch.size[1]))
    rise = (depth - depth2).abs() > CREASE * unit
    crease = (part == part2) & (((facet != facet2) & (prim == prim2)) | (rise & ((prim != prim2) | (facet != facet2))))
    kind = torch.where((tone == 2) | (tone2 == 2), HIGHLIGHT, SHADOW)
    kind = torch.where(tone != tone2, kind, -1)
    kind = torch.where(crease, INK, kind)
    kind = torch.where(part != part2, torch.maximum(edge.index_select(0, part), edge.index_select(0, part2)), kind)
    drawn = torch.nonzero(kind >= 0)[:, 0]
    return here.index_select(0, drawn), kind.index_select(0, drawn)


def _find_outlines(batch: DrawingBatch, layers: RenderedLayers) -> StrokeElements:
    width, height = batch.size
    area, device = width * height, layers.part.device
    wide = width + 1  # corners of pixels, (height + 1) x (width + 1)
    mark = ((layers.prim.to(torch.int64) << 32) + (layers.part << 8) + (layers.facet << 4) + layers.tone).reshape(-1)
    column = torch.arange(width, device=device) < width - 1
    line = torch.arange(height, device=device) < height - 1
    p0, kind0 = _find_cracks(
        batch, layers, mark, 1, column.repeat(batch.count * height)
    )  # upright, from corner (y, x + 1) to (y + 1, x + 1)
    p1, kind1 = _find_cracks(
        batch, layers, mark, width, line.repeat_interleave(width).repeat(batch.count)
    )  # level, (y + 1, x) to (y + 1, x + 1)
    upright = len(p0)
    drawing = torch.cat([p0, p1]) // area
    y = torch.cat([p0, p1]) // width
    x = torch.cat([p0, p1]) - y * width
    y = y - drawing * height
    corner = (drawing * (height + 1) + y) * wide + x
    first = torch.cat([corner[:upright] + 1, corner[upright:] + wide])
    last = torch.cat([corner[:upright] + 1 + wide, corner[upright:] + wide + 1])
    kind = torch.cat([kind0, kind1])
    xy = torch.stack([torch.cat([x[:upright] + 1.0, x[upright:] + 0.5]), torch.cat([y[:upright] + 0.5, y[upright:] + 1.0])], 1)
    edges = len(first)

    # The four cracks at each corner as half-edges that leave it: 2k leaves the first corner of crack k, 2k + 1 its last one.
    leaving = torch.full((batch.count * (height + 1) * wide * 4,), -1, dtype=torch.int32, device=device)
    half = torch.arange(2 * edges, device=device)
    tail = torch.stack([first, last], 1).reshape(-1)
    leaving.scatter_(0, tail * 4 + (half & 1) + 2 * (half >= 2 * upright), half.to(torch.int32))
    head = torch.stack([last, first], 1).reshape(-1)
    others = leaving.reshape(-1, 4).index_select(0, head).to(torch.int64)
    present = (others >= 0) & (others != (half ^ 1)[:, None])
    degree = present.sum(1)
    ongoing = torch.where(present, others, -1).amax(1)
    alike = kind.index_select(0, ongoing.clamp(min=0) >> 1) == kind.index_select(0, half >> 1)
    after = torch.where((degree == 1) & alike, ongoing, half)
    corner = torch.stack([head % wide, (head // wide) % (height + 1)], 1).to(torch.float32)
    after = _link_junctions(after, others, present, xy, corner, kind)
    xy, tangent = _smooth_cracks(xy, after)
    after, closed = _open_loops(after)
    xy_of = xy.index_select(0, half >> 1)
    stop, distance = _follow_links(after, torch.linalg.vector_norm(xy.index_select(0, after >> 1) - xy_of, dim=1))

    # A stroke is named after the lower of the two half-edges at its ends, and measured from there.
    backward = stop[::2] < stop[1::2]
    arc = torch.where(backward, distance[::2], distance[1::2])
    name, stroke = torch.unique(torch.minimum(stop[::2], stop[1::2]), return_inverse=True)
    tangent = torch.where(backward[:, None], -tangent, tangent)
    loose = torch.zeros((len(name), 2), dtype=torch.bool, device=device)
    ends = half[(after == half) & (degree == 0) & ~closed]
    ends = ends[~_touches_frame(xy[ends >> 1], batch.size)]
    loose[stroke[ends >> 1], ((ends & 1) == backward[ends >> 1]).to(torch.int64)] = True
    length = torch.zeros(len(name), device=device).scatter_reduce_(0, stroke, arc, "amax")
    found = StrokeElements(xy, tangent, stroke, arc, length, drawing[name >> 1], kind[name >> 1], loose, closed[name])
    # Short creases that end on nothing and flecks are noise, unless other strokes end on them.
    met = torch.zeros(len(name), dtype=torch.bool, device=device)
    met[stroke[half[(degree >= 2) & (after != half)] >> 1]] = True
    return _select_strokes(found, ~((length < _MIN_FREE) & (loose.any(1) | found.closed) & ~met))


def _select_strokes(lines: StrokeElements, keep: Tensor) -> StrokeElements:
    number = keep.cumsum(0) - 1
    elements = keep[lines.stroke]
    return StrokeElements(
        lines.xy[elements],
        lines.tangent[elements],
        number[lines.stroke[elements]],
        lines.arc[elements],
        lines.length[keep],
        lines.drawing[keep],
        lines.kind[keep],
        lines.loose[keep],
        lines.closed[keep],
    )


def _normalize_vectors(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp(min=1e-6)


def _touches_frame(xy: Tensor, size: tuple[int, int]) -> Tensor:
    limit = torch.tensor(size, device=xy.device) - 1.5
    return ((xy < 1.5) | (xy > limit)).any(1)


def _link_junctions(after: Tensor, others: Tensor, present: Tensor, xy: Tensor, corner: Tensor, kind: Tensor) -> Tensor:
    """Link the half-edges that arrive at a corner of three or four cracks to the one that goes straight on, where the liking is mutual."""
    arriving = torch.nonzero(present.sum(1) >= 2)[:, 0]
    if not len(arriving):
        return after
    leaving = arriving ^ 1
    ahead = leaving
    for _ in range(_AHEAD):
        ahead = after[ahead]
    direction = torch.zeros_like(corner)  # of each half-edge that leaves such a corner
    direction[leaving] = _normalize_vectors(xy[ahead >> 1] - corner[arriving])
    choice = others[arriving].clamp(min=0)
    straight = -(direction[choice] * direction[leaving][:, None]).sum(2)
    suits = present[arriving] & (kind[choice >> 1] == kind[arriving >> 1][:, None])
    best, slot = torch.where(suits, straight, -1.0).max(1)
    partner = choice.gather(1, slot[:, None])[:, 0]
    wish = torch.full_like(after, -1)
    wish[leaving] = partner
    mutual = (wish[partner] == leaving) & (best > _STRAIGHT)
    after = after.clone()
    after[arriving[mutual]] = partner[mutual]
    return after


def _smooth_cracks(xy: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """The staircase of cracks as curves, and their directions along the even half-edges. Ends stay where they are."""
    number = torch.arange(len(xy), device=xy.device)
    following, previous = after[::2] >> 1, after[1::2] >> 1
    fixed = ((following == number) | (previous == number))[:, None]
    for _ in range(_SMOOTHING):
        xy = torch.where(fixed, xy, (xy.index_select(0, previous) + 2 * xy + xy.index_select(0, following)) / 4)
    return xy, _normalize_vectors(xy.index_select(0, following) - xy.index_select(0, previous))


def _open_loops(after: Tensor) -> tuple[Tensor, Tensor]:
    """Links in which closed strokes are cut at their lowest crack, and which half-edges were of closed ones."""
    half = torch.arange(len(after), device=after.device)
    jump = after
    for _ in range(_ROUNDS):
        jump = jump.index_select(0, jump)
    closed = after.index_select(0, jump) != jump
    loop = torch.nonzero(closed)[:, 0]
    place = torch.zeros_like(after)
    place[loop] = torch.arange(len(loop), device=after.device)
    jump, least = place[after[loop]], loop >> 1
    for _ in range(_ROUNDS):
        least = torch.minimum(least, least.index_select(0, jump))
        jump = jump.index_select(0, jump)
    cut = loop[least == loop >> 1]
    after = after.clone()
    after[cut] = half[cut]
    return after, closed


def _follow_links(after: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """The half-edge at which each one's stroke ends, and how far away that is."""
    jump, distance = after, step
    for _ in range(_ROUNDS):
        distance = distance + distance.index_select(0, jump)
        jump = jump.index_select(0, jump)
    return jump, distance


def _find_features(batch: DrawingBatch, layers: RenderedLayers) -> StrokeElements:
    """The visible parts of the figures' feature lines."""
    width, height = batch.size
    device, figure, prims = layers.part.device, batch.figure, batch.prims
    matrix = prims.matrix[batch.point_row]
    points = (matrix[..., :3] * figure.point[batch.point][:, None]).sum(2) + matrix[..., 3]  # (N, 3)
    curve, place = figure.point_curve[batch.point], prims.drawing[batch.point_row]
    joined = torch.nonzero((curve[1:] == curve[:-1]) & (place[1:] == place[:-1]))[:, 0]
    begin, end = points[joined], points[joined + 1]
    pieces = (end - begin)[:, :2].norm(dim=1).ceil().clamp(1, 64).to(torch.int64)
    segment = torch.repeat_interleave(torch.arange(len(pieces), device=device), pieces)
    index = torch.arange(len(segment), device=device) - (pieces.cumsum(0) - pieces)[segment]
    share = ((index + 0.5) / pieces[segment])[:, None]
    at = begin[segment] + (end - begin)[segment] * share
    tangent = _normalize_vectors((end - begin)[:, :2])[segment]
    point = joined[segment]
    drawing, curve = place[point], curve[point]

    column, row = at[:, 0].floor().to(torch.int64), at[:, 1].floor().to(torch.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixel = (drawing * height + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
    near = (at[:, 2] - layers.depth.reshape(-1)[pixel]).abs() < _ON_SURFACE * batch.unit[drawing]
    visible = inside & near & (layers.prim.reshape(-1)[pixel] >= 0)

    new = torch.ones_like(visible)
    new[1:] = (curve[1:] != curve[:-1]) | (drawing[1:] != drawing[:-1])
    opens = visible & (new | ~torch.roll(visible, 1))
    shuts = visible & (torch.roll(new, -1) | ~torch.roll(visible, -1))
    kept = torch.nonzero(visible)[:, 0]
    stroke = (opens.cumsum(0) - 1)[kept]
    first, last = torch.nonzero(opens)[:, 0], torch.nonzero(shuts)[:, 0]
    # Lengths in steps of 1/4096 px, whose sums do not depend on what came before.
    step = torch.zeros(len(visible), dtype=torch.int64, device=device)
    step[1:] = ((at[1:, :2] - at[:-1, :2]).norm(dim=1).clamp(max=4096) * 4096).to(torch.int64)
    run = step.cumsum(0)
    loose = torch.stack([new[first], torch.roll(new, -1)[last]], 1)
    kind = figure.point_kind[batch.point[point[first]]]
    closed = torch.zeros(len(first), dtype=torch.bool, device=device)
    arc, length = (run[kept] - run[first][stroke]) / 4096, (run[last] - run[first]) / 4096
    return StrokeElements(at[kept, :2], tangent[kept], stroke, arc, length, drawing[first], kind, loose, closed)
