"""The damage that a hand, a pen and a scanner do to strokes, random for each drawing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from .edges import StrokeElements
from .figure import INK
from .noise import draw_uniform, rank_in_group

# What accidents are drawn for.
_STRAY, _PRESS, _DOUBLE, _SIDE, _ASIDE, _OVER, _GAP, _GAP_SIZE, _GAP_KIND, _BLOT, _BLOT_SIZE, _BLOT_X, _BLOT_Y, _MISS = (
    16 * k for k in range(14)
)
_BLOT_REACH = 40.0  # px from a line


@dataclass(frozen=True)
class Pen:
    """How drawings are inked. One row for each drawing, float32 (D,). Lengths in px.

    seed       int64 (D,), for all random damage
    width      of the lines
    trace      width of trace lines
    taper      length over which loose ends get thin; other ends get a little thinner
    pressure   0..1, how much the width varies along a stroke
    wobble     how far strokes stray
    overshoot  how far at most a stroke goes past the line it should stop at
    gaps       how many gaps there are on average, of `gap_low` to `gap_high` px of blank paper
    missing    0..1, share of the strokes that are left out
    doubles    0..1, share of the strokes that are drawn twice
    grain      0..1, pencil texture
    noise      0..1, scan noise: blur, specks, a rough threshold
    blots      how many blots of ink there are on average, beside lines
    blot       px, how wide a blot is at most
    jpeg       0..1, how hard the scan was compressed
    smooth     1 antialiased, 0 aliased
    """

    seed: Tensor
    width: Tensor
    trace: Tensor
    taper: Tensor
    pressure: Tensor
    wobble: Tensor
    overshoot: Tensor
    gaps: Tensor
    gap_low: Tensor
    gap_high: Tensor
    missing: Tensor
    doubles: Tensor
    grain: Tensor
    noise: Tensor
    blots: Tensor
    blot: Tensor
    jpeg: Tensor
    smooth: Tensor

    def move_to_device(self, device: torch.device | str) -> "Pen":
        return Pen(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __getitem__(self, rows: slice | Tensor) -> "Pen":
        return Pen(*(getattr(self, f.name)[rows] for f in fields(self)))


def stack_pens(pens: Sequence[Pen]) -> Pen:
    """The pens of all drawings of several pens."""
    return Pen(*(torch.cat([getattr(pen, f.name) for pen in pens]) for f in fields(Pen)))


def make_clean_pens(count: int, width: float) -> Pen:
    """Pens for even lines without damage."""
    values = dict.fromkeys((f.name for f in fields(Pen)), 0.0) | {"width": width, "trace": min(width, 1.5), "smooth": 1.0}
    columns = {name: torch.full((count,), value) for name, value in values.items()}
    return Pen(**columns | {"seed": torch.arange(count)})


def choose_pens(rng: np.random.Generator, count: int, size: tuple[int, int], level: float) -> Pen:
    """Random pens for drawings in one style, which varies between drawings. `level` 0..1 is the amount of damage."""
    scale = max(min(size) / 720, 0.6)
    pencil, scanned = rng.random() < 0.25 * (level > 0), rng.random() < 0.3 * (level > 0)
    aliased = rng.random() < 0.3 and not scanned
    style = {
        "width": rng.choice([rng.uniform(1.0, 1.6), rng.uniform(1.4, 2.6), rng.uniform(2.2, 3.6)], p=[0.45, 0.4, 0.15]) * scale,
        "trace": rng.uniform(1.0, 1.5) * scale,
        "taper": rng.uniform(4, 30) * scale * (rng.random() < 0.75),
        "pressure": rng.uniform(0, 0.35),
        "wobble": rng.uniform(0, 1.2) * scale * level,
        "overshoot": rng.uniform(0, 7) * scale * level,
        "gaps": rng.choice([0.0, rng.uniform(2, 10), rng.uniform(8, 30)]) * level,
        "gap_low": 1.0,
        "gap_high": rng.uniform(2, 12),
        "missing": 0.0,
        "doubles": rng.uniform(0, 0.2) * level * (rng.random() < 0.4),
        "grain": rng.uniform(0.2, 0.9) * level * pencil,
        "noise": rng.uniform(0.2, 1.0) * level * scanned,
        "blots": rng.uniform(0.5, 3) * level * (scanned or pencil) * (rng.random() < 0.4),
        "blot": rng.uniform(3, 8) * scale,
        "jpeg": rng.uniform(0.1, 1.0) * level * scanned * (rng.random() < 0.5),
        "smooth": float(not aliased),
    }
    columns = {"seed": torch.tensor(rng.integers(1 << 32, size=count))}
    for name, value in style.items():
        vary = 1 if name in ("gap_low", "missing", "smooth") else rng.uniform(0.85, 1.15, count)
        columns[name] = torch.tensor(np.broadcast_to(value * vary, count).copy(), dtype=torch.float32)
    columns["gap_high"].clamp_(max=12)
    columns["width"].clamp_(min=1)
    columns["trace"].clamp_(min=1)
    return Pen(**columns)


@dataclass(frozen=True)
class InkElements:
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


def draw_ink(strokes: StrokeElements, pen: Pen) -> InkElements:
    """Draw strokes with a pen."""
    device = strokes.xy.device
    stroke = strokes.stroke
    seed, place = pen.seed[strokes.drawing], rank_in_group(strokes.drawing, len(pen.seed))

    def draw_chance(purpose: int) -> Tensor:
        """A number for each stroke."""
        return draw_uniform(seed, place, purpose)

    drawing = strokes.drawing[stroke]
    length = strokes.length[stroke]
    width = torch.where(strokes.kind == 0, pen.width[strokes.drawing], pen.trace[strokes.drawing])

    normal = torch.stack([-strokes.tangent[:, 1], strokes.tangent[:, 0]], 1)
    from_end = torch.minimum(strokes.arc, length - strokes.arc)
    steady = (from_end / 8).clamp(0, 1)  # strokes stay where they meet others
    stray = _draw_noise_along_strokes(strokes, draw_chance, _STRAY, 60.0) * pen.wobble[drawing] * steady
    xy = strokes.xy + normal * stray[:, None]

    thickness = width[stroke] * (1 + pen.pressure[drawing] * _draw_noise_along_strokes(strokes, draw_chance, _PRESS, 90.0)).clamp(0.4, 1.8)
    for side, away in ((0, strokes.arc), (1, length - strokes.arc)):
        loose = strokes.loose[stroke, side]
        reach = torch.minimum(pen.taper[drawing], length * 0.45).clamp(min=1e-3) * torch.where(loose, 1.0, 0.4)
        thin = torch.where(loose, 0.25, 0.75)
        fading = thin + (1 - thin) * (away / reach).clamp(0, 1).sqrt()
        thickness = thickness * torch.where(strokes.closed[stroke] | (pen.taper[drawing] <= 0), 1.0, fading)

    kept, gaps = _draw_gaps(strokes, width, pen)
    kept = kept & (draw_chance(_MISS) >= pen.missing[strokes.drawing])[stroke]
    elements = [(xy[kept], strokes.tangent[kept], thickness[kept], stroke[kept])]

    twice = (draw_chance(_DOUBLE) < pen.doubles[strokes.drawing])[stroke] & kept & (from_end > 3)
    aside = ((draw_chance(_SIDE) - 0.5).sign() * (1.2 + draw_chance(_SIDE + 1)) * width)[stroke]
    aside = aside * (from_end / 25).clamp(0, 1) * (1 + 0.5 * _draw_noise_along_strokes(strokes, draw_chance, _ASIDE, 120.0))
    elements.append(((xy + normal * aside[:, None])[twice], strokes.tangent[twice], 0.7 * thickness[twice], stroke[twice]))

    ends = torch.nonzero(((strokes.arc <= 0) | (strokes.arc >= length)) & ~strokes.closed[stroke] & (length > 12) & kept)[:, 0]
    start = strokes.arc[ends] <= 0
    loose = strokes.loose[stroke[ends], (~start).to(torch.int64)]
    far = torch.where(start, draw_chance(_OVER)[stroke[ends]], draw_chance(_OVER + 1)[stroke[ends]]) * pen.overshoot[drawing[ends]] * ~loose
    step = torch.arange(1, 25, device=device) * 0.7
    over = step[None] <= far[:, None]
    which, beyond = torch.nonzero(over, as_tuple=True)
    out = strokes.tangent[ends] * torch.where(start, -1.0, 1.0)[:, None]
    fade = 1 - 0.7 * step[beyond] / far[which].clamp(min=1e-3)
    elements.append(
        (xy[ends][which] + out[which] * step[beyond][:, None], out[which], width[stroke[ends]][which] * fade, stroke[ends][which])
    )

    xy, tangent, thickness, owner = (torch.cat(columns) for columns in zip(*elements, strict=True))
    kind, drawing = strokes.kind[owner], strokes.drawing[owner]
    blots = _draw_blots(strokes, pen)
    return InkElements(
        torch.cat([xy, blots[0]]),
        torch.cat([tangent, torch.tensor([[1.0, 0.0]], device=device).expand(len(blots[0]), 2)]),
        torch.cat([thickness, blots[1]]),
        torch.cat([kind, torch.full_like(blots[2], INK)]),
        torch.cat([drawing, blots[2]]),
        gaps,
    )


def _draw_noise_along_strokes(strokes: StrokeElements, chance: Callable[[int], Tensor], purpose: int, wave: float) -> Tensor:
    """Smooth noise along each stroke, about -1..1, (E,): three waves a stroke, of `wave` px and shorter."""
    value = torch.zeros_like(strokes.arc)
    for k, size in enumerate((0.6, 0.3, 0.15)):
        period = wave / (k + 1) * (0.7 + 0.6 * chance(purpose + k))
        turn = strokes.arc / period[strokes.stroke] + chance(purpose + k + 3)[strokes.stroke]
        turn = turn - turn.floor() - 0.5
        value += size * turn * (8 - 16 * turn.abs())  # two parabolas, nearly a sine
    return value


def _pick_elements(strokes: StrokeElements, pen: Pen, average: Tensor, purpose: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose random elements, given their average number per drawing. Returns them, the seeds of their drawings, and their places there."""
    drawing = strokes.drawing[strokes.stroke]
    count = torch.bincount(drawing, minlength=len(average)).clamp(min=1)
    place = rank_in_group(drawing, len(average))
    chosen = torch.nonzero(draw_uniform(pen.seed[drawing], place, purpose) < (average / count)[drawing])[:, 0]
    return chosen, pen.seed[drawing[chosen]], place[chosen]


def _draw_blots(strokes: StrokeElements, pen: Pen) -> tuple[Tensor, Tensor, Tensor]:
    """Drops of ink: xy (K, 2), width (K,), drawing (K,)."""
    chosen, seed, place = _pick_elements(strokes, pen, pen.blots, _BLOT)
    drawing = strokes.drawing[strokes.stroke[chosen]]
    away = torch.stack([draw_uniform(seed, place, purpose) for purpose in (_BLOT_X, _BLOT_Y)], 1) * 2 - 1
    width = 1.5 + draw_uniform(seed, place, _BLOT_SIZE) * (pen.blot[drawing] - 1.5).clamp(min=0)
    return strokes.xy[chosen] + away * _BLOT_REACH, width, drawing


def _draw_gaps(strokes: StrokeElements, width: Tensor, pen: Pen) -> tuple[Tensor, Tensor]:
    """Where elements are kept, bool (E,), and the gaps (K, 4). One gap in three is where a stroke stops short of another."""
    device = strokes.xy.device
    stroke, arc = strokes.stroke, strokes.arc
    chosen, seed, place = _pick_elements(strokes, pen, pen.gaps, _GAP)
    owner = stroke[chosen]
    where = strokes.drawing[owner]
    size = pen.gap_low[where] + draw_uniform(seed, place, _GAP_SIZE) * (pen.gap_high - pen.gap_low)[where]
    full = size + width[owner].clamp(min=2)  # the ends of the line reach half its width into what is left out
    short = (draw_uniform(seed, place, _GAP_KIND) < 0.33) & ~strokes.closed[owner] & ~strokes.loose[owner, 1]
    center = torch.where(short, strokes.length[owner] - full / 2, arc[chosen])
    room = torch.where(short, strokes.length[owner] > 2 * full, (center > full) & (center < strokes.length[owner] - full))
    owner, where, size, full, center = owner[room], where[room], size[room], full[room], center[room]

    key = _make_sort_key(stroke, arc)
    order = key.argsort()
    key = key[order]
    first = torch.searchsorted(key, _make_sort_key(owner, center - full / 2))
    last = torch.searchsorted(key, _make_sort_key(owner, torch.where(short[room], strokes.length[owner] + 1, center + full / 2)))
    change = torch.zeros(len(key) + 1, dtype=torch.int64, device=device)
    change.scatter_add_(0, first, torch.ones_like(first))
    change.scatter_add_(0, last, -torch.ones_like(last))
    kept = torch.ones(len(key), dtype=torch.bool, device=device)
    kept[order] = change.cumsum(0)[:-1] == 0
    middle = torch.searchsorted(key, _make_sort_key(owner, center)).clamp(max=max(len(key) - 1, 0))
    at = strokes.xy[order[middle]] if len(key) else strokes.xy
    return kept, torch.cat([where[:, None].float(), at, size[:, None]], 1)


def _make_sort_key(stroke: Tensor, arc: Tensor) -> Tensor:
    """By stroke, then by arc in steps of 1/4096 px."""
    return (stroke << 32) + ((arc + 64) * 4096).to(torch.int64)
