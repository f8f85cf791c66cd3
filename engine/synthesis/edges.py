"""Layers -> the strokes that a person would draw around what they show.

Where two pixels beside each other show different things there is a crack between them. Cracks meet at the corners of pixels; where two
meet, a stroke runs on, and where three meet, the two that go straight on are one stroke and the third ends there: the outline of what is in
front runs through, the other one stops at it. All strokes of all drawings are followed at once by doubling pointers.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .figure import HIGHLIGHT, INK, SHADOW, Figure
from .render import Layers, View

CREASE = 0.05  # units; a step in depth that is drawn though both sides are one part
_SMOOTHING = 9  # rounds; the staircase of pixels becomes a curve
_AHEAD = 5  # elements; where a stroke is heading
_MIN_FREE = 7.0  # px; a crease shorter than this is not drawn
_STRAIGHT = 0.3  # cosine; less straight, and a stroke does not run through a junction
_ON_SURFACE = 0.05  # units; feature lines farther than this from what is seen are behind it
_ROUNDS = 14  # of doubling: no stroke has more than 16,000 elements


@dataclass(frozen=True)
class Strokes:
    """Strokes as elements about a pixel apart. E elements of S strokes.

    xy       float32 (E, 2)  px
    tangent  float32 (E, 2)  unit direction of the stroke
    stroke   int64 (E,)
    arc      float32 (E,)    px from the stroke's start
    length   float32 (S,)    px
    drawing  int64 (S,)
    kind     int64 (S,)      figure.INK, SHADOW or HIGHLIGHT
    loose    bool (S, 2)     whether the start and the end end on nothing: a crease that fades, a mouth
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


def strokes(figure: Figure, view: View, layers: Layers) -> Strokes:
    """All strokes of a batch of drawings: outlines, creases, tone borders, and the feature lines of the figure that can be seen."""
    return _concatenate(_outlines(figure, view, layers), _features(figure, view, layers))


def inked(lines: Strokes) -> Strokes:
    """The same strokes, all of them ink: no trace lines."""
    return replace(lines, kind=torch.full_like(lines.kind, INK))


def _concatenate(a: Strokes, b: Strokes) -> Strokes:
    shifted = b.stroke + len(a.length)
    pairs = {name: torch.cat([getattr(a, name), getattr(b, name)]) for name in a.__dataclass_fields__ if name != "stroke"}
    return Strokes(stroke=torch.cat([a.stroke, shifted]), **pairs)


def _cracks(figure: Figure, view: View, layers: Layers, axis: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The cracks between pixels and the next ones along an axis: drawing, y, x of the former, and the kind of line, int64 (E,)."""
    mark = (layers.prim << 32) + (layers.part << 8) + (layers.facet << 4) + layers.tone
    count = mark.shape[axis] - 1
    drawing, y, x = torch.nonzero(mark.narrow(axis, 0, count) != mark.narrow(axis, 1, count), as_tuple=True)
    here, there = (drawing, y, x), (drawing, y + (axis == 1), x + (axis == 2))

    def both(image: Tensor) -> tuple[Tensor, Tensor]:
        return image[here], image[there]

    (part, part2), (tone, tone2), (prim, prim2) = both(layers.part), both(layers.tone), both(layers.prim)
    (facet, facet2), (depth, depth2) = both(layers.facet), both(layers.depth)
    edge = torch.tensor([p.edge for p in figure.parts], device=part.device)
    step = (depth - depth2).abs() > CREASE * view.unit[drawing]
    crease = (part == part2) & (((facet != facet2) & (prim == prim2)) | (step & ((prim != prim2) | (facet != facet2))))
    kind = torch.where((tone == 2) | (tone2 == 2), HIGHLIGHT, SHADOW)
    kind = torch.where(tone != tone2, kind, -1)
    kind = torch.where(crease, INK, kind)
    kind = torch.where(part != part2, torch.maximum(edge[part], edge[part2]), kind)
    drawn = kind >= 0
    return drawing[drawn], y[drawn], x[drawn], kind[drawn]


def _outlines(figure: Figure, view: View, layers: Layers) -> Strokes:
    count, height, width = layers.part.shape
    device = layers.part.device
    wide = width + 1  # corners of pixels, (height + 1) x (width + 1)
    d0, y0, x0, kind0 = _cracks(figure, view, layers, 2)  # upright cracks, from corner (y, x + 1) to (y + 1, x + 1)
    d1, y1, x1, kind1 = _cracks(figure, view, layers, 1)  # level cracks, from corner (y + 1, x) to (y + 1, x + 1)
    upright = len(d0)
    corner0 = (d0 * (height + 1) + y0) * wide + x0 + 1
    corner1 = (d1 * (height + 1) + y1 + 1) * wide + x1
    first = torch.cat([corner0, corner1])
    last = torch.cat([corner0 + wide, corner1 + 1])
    kind = torch.cat([kind0, kind1])
    drawing = torch.cat([d0, d1])
    xy = torch.cat([torch.stack([x0 + 1.0, y0 + 0.5], 1), torch.stack([x1 + 0.5, y1 + 1.0], 1)]).to(torch.float32)
    edges = len(first)

    # The four cracks at each corner as half-edges that leave it: 2k leaves the first corner of crack k, 2k + 1 its last one.
    leaving = torch.full((count * (height + 1) * wide, 4), -1, dtype=torch.int64, device=device)
    number = torch.arange(edges, device=device)
    leaving[first[:upright], 0] = 2 * number[:upright]
    leaving[last[:upright], 1] = 2 * number[:upright] + 1
    leaving[first[upright:], 2] = 2 * number[upright:]
    leaving[last[upright:], 3] = 2 * number[upright:] + 1

    half = torch.arange(2 * edges, device=device)
    head = torch.stack([last, first], 1).reshape(-1)
    others = leaving[head]
    present = (others >= 0) & (others != (half ^ 1)[:, None])
    degree = present.sum(1)
    ongoing = torch.where(present, others, -1).amax(1)
    alike = kind[ongoing.clamp(min=0) >> 1] == kind[half >> 1]
    after = torch.where((degree == 1) & alike, ongoing, half)
    corner = torch.stack([head % wide, (head // wide) % (height + 1)], 1).to(torch.float32)
    after = _through_junctions(after, others, present, xy, corner, kind)
    xy, tangent = _smooth(xy, after)
    closed = _looping(after)
    after = torch.where(closed & (_lowest(after) == half >> 1), half, after)  # closed strokes are cut at their lowest crack
    stop, distance = _follow(after, torch.linalg.vector_norm(xy[after >> 1] - xy[half >> 1], dim=1))

    # A stroke is named after the lower of the two half-edges at its ends, and measured from there.
    backward = stop[::2] < stop[1::2]
    arc = torch.where(backward, distance[::2], distance[1::2])
    name, stroke = torch.unique(torch.minimum(stop[::2], stop[1::2]), return_inverse=True)
    tangent = torch.where(backward[:, None], -tangent, tangent)
    loose = torch.zeros((len(name), 2), dtype=torch.bool, device=device)
    ends = half[(after == half) & (degree == 0) & ~closed]
    ends = ends[~_at_frame(xy[ends >> 1], view.size)]
    loose[stroke[ends >> 1], ((ends & 1) == backward[ends >> 1]).to(torch.int64)] = True
    length = torch.zeros(len(name), device=device).scatter_reduce_(0, stroke, arc, "amax")
    found = Strokes(xy, tangent, stroke, arc, length, drawing[name >> 1], kind[name >> 1], loose, closed[name])
    # Short creases that end on nothing and flecks are noise, unless other strokes end on them.
    met = torch.zeros(len(name), dtype=torch.bool, device=device)
    met[stroke[half[(degree >= 2) & (after != half)] >> 1]] = True
    return _select(found, ~((length < _MIN_FREE) & (loose.any(1) | found.closed) & ~met))


def _select(lines: Strokes, keep: Tensor) -> Strokes:
    number = keep.cumsum(0) - 1
    elements = keep[lines.stroke]
    return Strokes(
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


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp(min=1e-6)


def _at_frame(xy: Tensor, size: tuple[int, int]) -> Tensor:
    limit = torch.tensor(size, device=xy.device) - 1.5
    return ((xy < 1.5) | (xy > limit)).any(1)


def _through_junctions(after: Tensor, others: Tensor, present: Tensor, xy: Tensor, corner: Tensor, kind: Tensor) -> Tensor:
    """Link the half-edges that arrive at a corner of three or four cracks to the one that goes straight on, where the liking is mutual."""
    arriving = torch.nonzero(present.sum(1) >= 2)[:, 0]
    if not len(arriving):
        return after
    leaving = arriving ^ 1
    ahead = leaving
    for _ in range(_AHEAD):
        ahead = after[ahead]
    direction = torch.zeros_like(corner)  # of each half-edge that leaves such a corner
    direction[leaving] = _unit(xy[ahead >> 1] - corner[arriving])
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


def _smooth(xy: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """The staircase of cracks as curves, and their directions along the even half-edges. Ends stay where they are."""
    number = torch.arange(len(xy), device=xy.device)
    following, previous = after[::2] >> 1, after[1::2] >> 1
    fixed = ((following == number) | (previous == number))[:, None]
    for _ in range(_SMOOTHING):
        xy = torch.where(fixed, xy, (xy[previous] + 2 * xy + xy[following]) / 4)
    return xy, _unit(xy[following] - xy[previous])


def _looping(after: Tensor) -> Tensor:
    jump = after
    for _ in range(_ROUNDS):
        jump = jump[jump]
    return after[jump] != jump


def _lowest(after: Tensor) -> Tensor:
    """The lowest crack on the way from each half-edge on."""
    jump, least = after, torch.arange(len(after), device=after.device) >> 1
    for _ in range(_ROUNDS):
        least = torch.minimum(least, least[jump])
        jump = jump[jump]
    return least


def _follow(after: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """The half-edge at which each one's stroke ends, and how far away that is."""
    jump, distance = after, step
    for _ in range(_ROUNDS):
        distance = distance + distance[jump]
        jump = jump[jump]
    return jump, distance


def _features(figure: Figure, view: View, layers: Layers) -> Strokes:
    """The feature lines of the figure, cut to what can be seen of them."""
    count, height, width = layers.part.shape
    device = layers.part.device
    matrix = view.matrix[:, figure.point_owner]
    points = (matrix[..., :3] @ figure.point[:, :, None])[..., 0] + matrix[..., 3]  # (D, N, 3)
    joined = torch.nonzero(figure.point_curve[1:] == figure.point_curve[:-1])[:, 0]
    begin, end = points[:, joined], points[:, joined + 1]
    pieces = (end - begin)[..., :2].norm(dim=2).ceil().clamp(1, 64).to(torch.int64).reshape(-1)
    segment = torch.repeat_interleave(torch.arange(len(pieces), device=device), pieces)
    index = torch.arange(len(segment), device=device) - (pieces.cumsum(0) - pieces)[segment]
    share = ((index + 0.5) / pieces[segment])[:, None]
    at = torch.lerp(begin.reshape(-1, 3)[segment], end.reshape(-1, 3)[segment], share)
    tangent = _unit((end - begin)[..., :2].reshape(-1, 2))[segment]
    drawing = torch.div(segment, max(len(joined), 1), rounding_mode="floor")
    first_point = joined[segment % max(len(joined), 1)]
    curve = drawing * (int(figure.point_curve.max()) + 1 if len(joined) else 1) + figure.point_curve[first_point]

    column, row = at[:, 0].floor().to(torch.int64), at[:, 1].floor().to(torch.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixel = (drawing * height + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
    near = (at[:, 2] - layers.depth.reshape(-1)[pixel]).abs() < _ON_SURFACE * view.unit[drawing]
    seen = inside & near & (layers.prim.reshape(-1)[pixel] >= 0)

    new = torch.ones_like(seen)
    new[1:] = curve[1:] != curve[:-1]
    opens = seen & (new | ~torch.roll(seen, 1))
    shuts = seen & (torch.roll(new, -1) | ~torch.roll(seen, -1))
    kept = torch.nonzero(seen)[:, 0]
    stroke = (opens.cumsum(0) - 1)[kept]
    first, last = torch.nonzero(opens)[:, 0], torch.nonzero(shuts)[:, 0]
    step = torch.zeros(len(seen), device=device)
    step[1:] = (at[1:, :2] - at[:-1, :2]).norm(dim=1)
    run = step.cumsum(0)
    loose = torch.stack([new[first], torch.roll(new, -1)[last]], 1)
    kind = figure.point_kind[first_point[first]]
    closed = torch.zeros(len(first), dtype=torch.bool, device=device)
    arc = run[kept] - run[first][stroke]
    return Strokes(at[kept, :2], tangent[kept], stroke, arc, run[last] - run[first], drawing[first], kind, loose, closed)
