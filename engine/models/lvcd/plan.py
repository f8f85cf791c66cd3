"""Plans from which keys a shot's drawings are painted: onward from each key, and between two keys from both, until the ways meet."""

from collections.abc import Sequence
from dataclasses import dataclass

from .pipeline import TiedFrame, split_segments
from .slots import VIDEO


@dataclass(frozen=True)
class SegmentChain:
    """Drawings from a key on. `order` their numbers in the shot, starting with the key · the first `frames` of them are painted by this
    chain, in `segments` segments."""

    order: range
    frames: int
    segments: int


@dataclass(frozen=True)
class KeyStretch:
    """One chain, or two between two keys whose last segments share frames, `ties`."""

    ways: tuple[SegmentChain, ...]
    ties: tuple[TiedFrame, ...] = ()


def plan_stretches(count: int, keys: Sequence[int], overlap: int) -> list[KeyStretch]:
    """Plan how `count` drawings are painted from `keys`, one or more of their numbers in order. A key itself is not painted."""
    found = []
    if keys[0] > 0:
        found.append(_plan_single(range(keys[0], -1, -1), overlap))
    found += [_plan_between(first, last, overlap) for first, last in zip(keys, keys[1:], strict=False) if last - first > 1]
    if keys[-1] < count - 1:
        found.append(_plan_single(range(keys[-1], count), overlap))
    return found


def find_segment(local: int, overlap: int) -> int:
    """The first segment that paints a frame, given its position in the chain, 1 or more."""
    return max(0, -(-(local - VIDEO) // (VIDEO - overlap)))


def _plan_single(order: range, overlap: int) -> KeyStretch:
    return KeyStretch((SegmentChain(order, len(order), len(split_segments(len(order), overlap))),))


def _plan_between(first: int, last: int, overlap: int) -> KeyStretch:
    """Two chains grow in turns until they share at least `overlap` frames. Frames that both may still change are tied, with weights that
    cross over from one to the other."""
    count, stride = last - first + 1, VIDEO - overlap
    sizes = [1, 1]
    while sum(VIDEO + 1 + stride * (size - 1) for size in sizes) < count + overlap:
        sizes[sizes.index(min(sizes))] += 1
    spans = [split_segments(VIDEO + 1 + stride * (size - 1), overlap)[-1] for size in sizes]
    held = [overlap if size > 1 else 0 for size in sizes]  # frames that the previous segment has painted
    low = max(1, spans[0].start + held[0], count - spans[1].stop)
    high = min(count - 2, spans[0].stop - 1, count - 1 - spans[1].start - held[1])
    tied = range(low, high + 1)
    ties = tuple(
        TiedFrame(overlap + 1 + place - spans[0].start, overlap + 1 + count - 1 - place - spans[1].start, (rank + 1) / (len(tied) + 1))
        for rank, place in enumerate(tied)
    )
    seam = tied[len(tied) // 2]  # the first that the second chain paints
    return KeyStretch(
        (SegmentChain(range(first, last + 1), seam, sizes[0]), SegmentChain(range(last, first - 1, -1), count - seam, sizes[1])), ties
    )
