"""What a hand, a pen and a scanner do to strokes, drawn anew for each drawing."""

from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from .edges import Strokes


@dataclass(frozen=True)
class Pen:
    """How drawings are inked. One row for each drawing, float32 (D,); lengths in px.

    width      of the lines
    trace      width of trace lines
    taper      length over which loose ends run out, and the rest of the ends by a little
    pressure   0..1, how much the width varies along a stroke
    wobble     how far strokes stray
    overshoot  how far at most a stroke goes past the line it should stop at
    gaps       how many gaps there are on average, of `gap_low` to `gap_high` px of blank paper
    doubles    0..1, share of the strokes that are drawn twice
    grain      0..1, pencil texture
    noise      0..1, scan noise: blur, specks, a rough threshold
    smooth     1 antialiased, 0 aliased
    """

    width: Tensor
    trace: Tensor
    taper: Tensor
    pressure: Tensor
    wobble: Tensor
    overshoot: Tensor
    gaps: Tensor
    gap_low: Tensor
    gap_high: Tensor
    doubles: Tensor
    grain: Tensor
    noise: Tensor
    smooth: Tensor

    def to(self, device: torch.device | str) -> "Pen":
        return Pen(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __getitem__(self, rows: slice) -> "Pen":
        return Pen(*(getattr(self, f.name)[rows] for f in fields(self)))


def clean(count: int, width: float) -> Pen:
    """Even lines without any damage."""
    values = dict.fromkeys((f.name for f in fields(Pen)), 0.0) | {"width": width, "trace": min(width, 1.5), "smooth": 1.0}
    return Pen(**{name: torch.full((count,), value) for name, value in values.items()})


@dataclass(frozen=True)
class Inked:
    """Elements of ink about a pixel long, and the gaps that were left.

    xy, tangent  float32 (E, 2)  px
    width        float32 (E,)    px
    kind         int64 (E,)      figure.INK, SHADOW or HIGHLIGHT
    drawing      int64 (E,)
    gaps         float32 (K, 4)  drawing, x, y of the gap's middle, px of blank paper
    """

    xy: Tensor
    tangent: Tensor
    width: Tensor
    kind: Tensor
    drawing: Tensor
    gaps: Tensor


def ink(strokes: Strokes, pen: Pen, generator: Generator) -> Inked:
    """Draw strokes with a pen. `generator` lives on the strokes' device."""
    device = strokes.xy.device

    def chance(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    total, stroke = len(strokes.length), strokes.stroke
    drawing = strokes.drawing[stroke]
    length = strokes.length[stroke]
    width = torch.where(strokes.kind == 0, pen.width[strokes.drawing], pen.trace[strokes.drawing])

    normal = torch.stack([-strokes.tangent[:, 1], strokes.tangent[:, 0]], 1)
    from_end = torch.minimum(strokes.arc, length - strokes.arc)
    steady = (from_end / 8).clamp(0, 1)  # strokes stay where they meet others
    stray = _along(strokes, chance(total, 6), 60.0) * pen.wobble[drawing] * steady
    xy = strokes.xy + normal * stray[:, None]

    thickness = width[stroke] * (1 + pen.pressure[drawing] * _along(strokes, chance(total, 6), 90.0)).clamp(0.4, 1.8)
    for side, away in ((0, strokes.arc), (1, length - strokes.arc)):
        loose = strokes.loose[stroke, side]
        reach = torch.minimum(pen.taper[drawing], length * 0.45).clamp(min=1e-3) * torch.where(loose, 1.0, 0.4)
        thin = torch.where(loose, 0.25, 0.75)
        fading = thin + (1 - thin) * (away / reach).clamp(0, 1).sqrt()
        thickness = thickness * torch.where(strokes.closed[stroke] | (pen.taper[drawing] <= 0), 1.0, fading)

    kept, gaps = _gaps(strokes, width, pen, chance)
    elements = [(xy[kept], strokes.tangent[kept], thickness[kept], stroke[kept])]

    twice = (chance(total) < pen.doubles[strokes.drawing])[stroke] & kept & (from_end > 3)
    aside = (chance(total)[stroke] - 0.5).sign() * (1.2 + chance(total)[stroke]) * width[stroke]
    aside = aside * (from_end / 25).clamp(0, 1) * (1 + 0.5 * _along(strokes, chance(total, 6), 120.0))
    elements.append(((xy + normal * aside[:, None])[twice], strokes.tangent[twice], 0.7 * thickness[twice], stroke[twice]))

    ends = torch.nonzero(((strokes.arc <= 0) | (strokes.arc >= length)) & ~strokes.closed[stroke] & (length > 12) & kept)[:, 0]
    start = strokes.arc[ends] <= 0
    loose = strokes.loose[stroke[ends], (~start).to(torch.int64)]
    far = chance(len(ends)) * pen.overshoot[drawing[ends]] * ~loose
    step = torch.arange(1, 25, device=device) * 0.7
    over = step[None] <= far[:, None]
    which, beyond = torch.nonzero(over, as_tuple=True)
    out = strokes.tangent[ends] * torch.where(start, -1.0, 1.0)[:, None]
    fade = 1 - 0.7 * step[beyond] / far[which].clamp(min=1e-3)
    elements.append(
        (xy[ends][which] + out[which] * step[beyond][:, None], out[which], width[stroke[ends]][which] * fade, stroke[ends][which])
    )

    xy, tangent, thickness, owner = (torch.cat(columns) for columns in zip(*elements, strict=True))
    return Inked(xy, tangent, thickness, strokes.kind[owner], strokes.drawing[owner], gaps)


def _along(strokes: Strokes, random: Tensor, wave: float) -> Tensor:
    """Smooth noise along each stroke, about -1..1, (E,): three waves a stroke, of `wave` px and shorter."""
    value = torch.zeros_like(strokes.arc)
    for k, size in enumerate((0.6, 0.3, 0.15)):
        period = wave / (k + 1) * (0.7 + 0.6 * random[:, k])
        value += size * torch.sin((strokes.arc / period[strokes.stroke] + random[:, k + 3][strokes.stroke]) * (2 * torch.pi))
    return value


def _gaps(strokes: Strokes, width: Tensor, pen: Pen, chance) -> tuple[Tensor, Tensor]:
    """Where elements are kept, bool (E,), and the gaps (K, 4). One gap in three is where a stroke stops short of another."""
    device = strokes.xy.device
    stroke, arc = strokes.stroke, strokes.arc
    drawing = strokes.drawing[stroke]
    count = torch.bincount(drawing, minlength=len(pen.width)).clamp(min=1)
    chosen = torch.nonzero(chance(len(arc)) < (pen.gaps / count)[drawing])[:, 0]
    owner, where = stroke[chosen], drawing[chosen]
    size = pen.gap_low[where] + chance(len(chosen)) * (pen.gap_high - pen.gap_low)[where]
    full = size + width[owner].clamp(min=2)  # the ends of the line reach half its width into what is left out
    short = (chance(len(chosen)) < 0.33) & ~strokes.closed[owner] & ~strokes.loose[owner, 1]
    center = torch.where(short, strokes.length[owner] - full / 2, arc[chosen])
    room = torch.where(short, strokes.length[owner] > 2 * full, (center > full) & (center < strokes.length[owner] - full))
    owner, where, size, full, center = owner[room], where[room], size[room], full[room], center[room]

    span = float(strokes.length.max()) + 64 if len(strokes.length) else 64.0
    key = stroke * span + arc.double()
    order = key.argsort()
    key = key[order]
    first = torch.searchsorted(key, owner * span + (center - full / 2).double())
    last = torch.searchsorted(key, owner * span + torch.where(short[room], strokes.length[owner] + 1, center + full / 2).double())
    change = torch.zeros(len(key) + 1, dtype=torch.int64, device=device)
    change.scatter_add_(0, first, torch.ones_like(first))
    change.scatter_add_(0, last, -torch.ones_like(last))
    kept = torch.ones(len(key), dtype=torch.bool, device=device)
    kept[order] = change.cumsum(0)[:-1] == 0
    middle = torch.searchsorted(key, owner * span + center.double()).clamp(max=max(len(key) - 1, 0))
    at = strokes.xy[order[middle]] if len(key) else strokes.xy
    return kept, torch.cat([where[:, None].float(), at, size[:, None]], 1)
