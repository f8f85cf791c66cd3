"""Matched chains of strokes to pieces of one stroke each."""

import numpy as np

from ..sketch.strokes import Strokes
from .candidates import StrokeCandidates
from .curves import StrokeCurves, chain_stretches
from .units import GRID, Links, StrokeUnits, reverse_links
from .warp import warp_curves

_FINE = 512  # samples of closed lines, to find where they begin
_SNAP = 0.06  # of a line's length: cuts of the two keys that are nearer than this are one


def cut_matches(
    a: Strokes, b: Strokes, units_a: StrokeUnits, units_b: StrokeUnits, found: StrokeCandidates
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strokes int64 (P, 2), spans float64 (P, 4) as in Matches, and the candidate that each piece is of, int64 (P,)."""
    links_a = [units_a.links[row] for row in found.a]
    links_b = [units_b.links[row] for row in found.b]
    links_b = [reverse_links(links) if back else links for links, back in zip(links_b, found.back, strict=True)]
    ends_a, ends_b = ([_find_trimmed_ends(key, links) for links in all_] for key, all_ in ((a, links_a), (b, links_b)))
    for row in np.flatnonzero(units_a.closed[found.a] & units_b.closed[found.b]):
        links_a[row], links_b[row] = _align_rings(a, b, links_a[row], links_b[row], float(found.shift[row]))
    curves_a, curves_b = chain_stretches(a, links_a), chain_stretches(b, links_b)
    warps = warp_curves(curves_a, curves_b)
    cuts_a, cuts_b = _find_cuts(curves_a), _find_cuts(curves_b)
    pieces, spans, rows, tails = [], [], [], []
    for row in range(len(found)):
        inner = _merge_cuts(cuts_a[row], cuts_b[row], warps)
        places = [(2.0 * row, 2.0 * row), *inner, (2.0 * row + 1.0, 2.0 * row + 1.0)]
        for (xa, xb), (ya, yb) in zip(places, places[1:], strict=False):
            stroke_a, *span_a = _locate_stretch(curves_a, a, row, xa, ya)
            stroke_b, *span_b = _locate_stretch(curves_b, b, row, xb, yb)
            pieces.append((stroke_a, stroke_b))
            spans.append((*span_a, *span_b))
            rows.append(row)
            tails.append((ends_a[row].get(stroke_a), ends_b[row].get(stroke_b)))
    for nth, tail in enumerate(tails):
        if any(tail):
            spans[nth] = _add_tails((a, b), pieces[nth], spans[nth], tail)
    return np.array(pieces, np.int64).reshape(-1, 2), np.array(spans).reshape(-1, 4), np.array(rows, np.int64)


def _align_rings(a: Strokes, b: Strokes, links_a: Links, links_b: Links, shift: float) -> tuple[Links, Links]:
    """Closed links of both, begun at the same place; that of a lies about at `shift` of the length of b."""
    grid = np.linspace(0.0, 1.0, _FINE, endpoint=False)
    curve = chain_stretches(b, [links_b])
    va, vb = chain_stretches(a, [links_a]).sample(grid)[0], curve.sample(grid)[0]
    fit = np.fft.ifft(np.fft.fft(va - va.mean()).conj() * np.fft.fft(vb - vb.mean()))
    near = np.arange(-_FINE // GRID, _FINE // GRID + 1) + round(shift * _FINE)
    best = float(near[(fit[near % _FINE] * fit[near[len(near) // 2] % _FINE].conj()).real.argmax()] % _FINE) / _FINE
    if _is_round(a, links_a) and not _is_round(b, links_b):  # what has no beginning of its own begins where the other does
        return _begin_ring(a, links_a, (1.0 - best) % 1.0), links_b
    if not _is_round(b, links_b):
        seams = np.append(curve.along[_find_breaks(curve)], [0.0, 1.0])
        seam = seams[np.abs(seams - best).argmin()]
        best = float(seam) % 1.0 if abs(seam - best) < _SNAP / 2.0 else best
    whole = len(links_a) == len(links_b) == 1 and abs(links_a[0][2] - links_a[0][1]) == abs(links_b[0][2] - links_b[0][1])
    return links_a, _begin_ring(b, links_b, best, whole)  # as many points: a copy, most likely


def _is_round(strokes: Strokes, links: Links) -> bool:
    """Whether links are one stroke that begins nowhere."""
    return len(links) == 1 and bool(strokes.cyclic[links[0][0]])


def _begin_ring(strokes: Strokes, links: Links, fraction: float, whole: bool = False) -> Links:
    """Closed links, begun at a fraction of their length; at a `whole` point, if that is asked for."""
    nth, index = _locate_link(chain_stretches(strokes, [links]), fraction)
    index = float(round(index)) if whole else index
    stroke, begin, end = links[nth]
    if _is_round(strokes, links):
        return ((stroke, index, index + end - begin),)
    parts = [(stroke, index, end), *links[nth + 1 :], *links[:nth], (stroke, begin, index)]
    return tuple(part for part in parts if abs(part[1] - part[2]) > 1e-6)


def _find_trimmed_ends(strokes: Strokes, links: Links) -> dict[int, tuple[float, float, float, float]]:
    """By stroke where links begin and end that leave a part of it out, because another runs beside it there; and where it begins and ends
    itself, that way."""
    found = {}
    for stroke, begin, end in links:
        if strokes.cyclic[stroke]:
            continue
        last = float(strokes.offsets[stroke + 1] - strokes.offsets[stroke] - 1)
        whole = (0.0, last) if begin < end else (last, 0.0)
        if (begin, end) != whole:
            found[stroke] = (begin, end, *whole)
    return found


def _add_tails(keys: tuple[Strokes, Strokes], strokes: tuple[int, int], span: tuple, tails: tuple) -> tuple[float, ...]:
    """The span of a piece, with the parts of strokes that links leave out: what runs beside another stroke in one key runs beside it in
    the drawings between too."""
    found = list(span)
    runs = [_measure_run(key, stroke) for key, stroke in zip(keys, strokes, strict=True)]
    lengths = [abs(float(np.diff(_locate_run(run, span[2 * side : 2 * side + 2]))[0])) for side, run in enumerate(runs)]
    for end in (0, 1):
        reach = [0.0, 0.0]  # px that a tail is long
        for side, tail in enumerate(tails):
            at = 2 * side + end
            if tail is not None and abs(span[at] - tail[end]) < 1e-3:
                found[at] = tail[2 + end]
                reach[side] = abs(float(np.diff(_locate_run(runs[side], (span[at], found[at])))[0]))
        for side in (0, 1):
            at, other = 2 * side + end, 1 - side
            if reach[other] > 0.0 and reach[side] == 0.0:
                more = reach[other] * lengths[side] / max(lengths[other], 1e-6)
                way = np.sign(span[2 * side + 1] - span[2 * side]) * (1.0 if end else -1.0)
                found[at] = _step_along(runs[side], span[at], way * more, bool(keys[side].cyclic[strokes[side]]))
    return tuple(found)


def _measure_run(strokes: Strokes, stroke: int) -> np.ndarray:
    """px from the first point of a stroke to each of its points; and round to the first again."""
    points = strokes.points[strokes.offsets[stroke] : strokes.offsets[stroke + 1]].astype(np.float64) @ (1.0, 1j)
    points = np.append(points, points[0]) if strokes.cyclic[stroke] else points
    return np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points)) + 1e-9)])


def _locate_run(run: np.ndarray, index) -> np.ndarray:
    """px along a stroke at fractional indices, which may go round."""
    turns, rest = np.divmod(np.asarray(index, float), max(len(run) - 1, 1))
    whole = np.asarray(index) == len(run) - 1
    return np.where(whole, run[-1], turns * run[-1] + np.interp(rest, np.arange(len(run)), run))


def _step_along(run: np.ndarray, index: float, by: float, cyclic: bool) -> float:
    """The fractional index `by` px further along a stroke, no further than its end."""
    place = float(_locate_run(run, index)) + by
    if not cyclic:
        return float(np.interp(place, run, np.arange(len(run))))
    turns, rest = divmod(place, run[-1])
    return float(turns * (len(run) - 1) + np.interp(rest, run, np.arange(len(run))))


def _locate_link(curve: StrokeCurves, fraction: float) -> tuple[int, float]:
    """Which link of a chain, and which index on its stroke, lies at a fraction of its length."""
    edges = np.concatenate([[0], _find_breaks(curve), [len(curve.points)]])
    first = curve.along[edges[:-1]]
    nth = int(np.searchsorted(first, fraction, "right") - 1)
    rows = slice(edges[nth], edges[nth + 1])
    return nth, float(np.interp(fraction, curve.along[rows], curve.index[rows]))


def _find_breaks(curves: StrokeCurves) -> np.ndarray:
    """Entries with which another link of the same curve begins."""
    other = (np.diff(curves.stroke) != 0) | (np.abs(np.diff(curves.index)) > 1.5)
    return np.flatnonzero(other & (np.diff(curves.curve) == 0)) + 1


def _find_cuts(curves: StrokeCurves) -> list[np.ndarray]:
    """Where links of each curve meet, as places along it."""
    breaks = _find_breaks(curves)
    places = (curves.along[breaks] + curves.along[breaks - 1]) / 2.0
    return np.split(places, np.searchsorted(curves.curve[breaks], np.arange(1, len(curves)))) if len(curves) else []


def _merge_cuts(a: np.ndarray, b: np.ndarray, warps: tuple[np.ndarray, np.ndarray]) -> list[tuple[float, float]]:
    """Where a pair of curves is cut: places along both, rising. Those of a, those of b, and one where both have it."""
    warp_a, warp_b = warps
    others = np.interp(b, warp_b, warp_a)
    cuts, left = [], list(range(len(b)))
    for x in a.tolist():
        near = min(left, key=lambda k: abs(others[k] - x), default=None)
        if near is not None and abs(others[near] - x) < _SNAP:
            left.remove(near)
            cuts.append((x, float(b[near])))
        else:
            cuts.append((x, float(np.interp(x, warp_a, warp_b))))
    cuts += [(float(others[k]), float(b[k])) for k in left]
    rising: list[tuple[float, float]] = []
    for x, y in sorted(cuts):
        if not rising or (x > rising[-1][0] and y > rising[-1][1]):
            rising.append((x, y))
    return rising


def _locate_stretch(curves: StrokeCurves, strokes: Strokes, row: int, begin: float, end: float) -> tuple[int, float, float]:
    """The stroke that lies between two places along a curve, and the fractional indices there."""
    first, last = curves.offsets[row], curves.offsets[row + 1]
    breaks = first + 1 + np.flatnonzero((np.diff(curves.stroke[first:last]) != 0) | (np.abs(np.diff(curves.index[first:last])) > 1.5))
    edges = np.concatenate([[first], breaks, [last]])
    nth = int(np.clip(np.searchsorted(curves.along[edges[:-1]], (begin + end) / 2.0, "right") - 1, 0, len(edges) - 2))
    rows = slice(edges[nth], edges[nth + 1])
    stroke = int(curves.stroke[edges[nth]])
    span = np.interp((begin, end), curves.along[rows], curves.index[rows])
    if strokes.cyclic[stroke]:
        count = strokes.offsets[stroke + 1] - strokes.offsets[stroke]
        span = span - count * np.floor(span.min() / count)
    return stroke, float(span[0]), float(span[1])
