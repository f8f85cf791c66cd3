"""The region map of a sketch, and which regions are neighbors."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..sketch import Sketch
from .closing import close_gaps, draw_joins, find_adjacent_components
from .leaks import bridge_necks, find_leaks

CROSSINGS = ("line", "trace", "closure")
MIN_AREA = 10  # px; a smaller fleck between lines is nothing to paint, unless it is compact like a highlight in an eye
_PLUS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class Regions:
    """The areas that lines enclose, numbered 1..count.

    labels     int32 (H, W)         0 = line pixel
    grown      int32 (H, W)         every pixel 1..count: paint pushed under the lines, to their middle. Equals labels off the lines
    count      int                  at least 1
    areas      int64 (count+1,)     px without the lines; entry 0 means nothing, here and below
    centroids  float32 (count+1, 2) x, y
    boxes      int32 (count+1, 4)   x, y, width, height
    border     bool (count+1,)      touches the picture's edge
    edges      int32 (E, 2)         neighbors, first < second
    crossing   uint8 (E,)           what most of their common boundary is, an index into CROSSINGS
    lengths    int32 (E,)           px of common boundary
    closures   float32 (M, 4)       x0, y0, x1, y1 of the gaps that were closed
    leaks      float32 (K, 3)       x, y, width in px of open gaps through which a part of the drawing runs out into the background
    """

    labels: np.ndarray
    grown: np.ndarray
    count: int
    areas: np.ndarray
    centroids: np.ndarray
    boxes: np.ndarray
    border: np.ndarray
    edges: np.ndarray
    crossing: np.ndarray
    lengths: np.ndarray
    closures: np.ndarray
    leaks: np.ndarray


@dataclass(frozen=True)
class _RegionComponents:
    """What walls of lines and joins part: connected components and the regions (numbers 1..count, 0: none) that they make up."""

    labels: np.ndarray  # int32 (H, W), the regions; 0 on walls and in flecks
    stats: np.ndarray  # of the components, as OpenCV gives them
    centers: np.ndarray
    numbers: np.ndarray  # int32, the region of each component
    count: int
    closures: np.ndarray  # the joins that part two regions


_NO_CUTS = np.zeros((0, 4), np.float32)


def segment_regions(sketch: Sketch, gap: float, cuts: np.ndarray = _NO_CUTS) -> Regions:
    """Cut a sketch into regions, closing gaps of up to `gap` px. A drawing without lines is one region.

    `cuts` float32 (M, 4), x0, y0, x1, y1, are closed besides, as those of `pockets.find_pockets`.
    """
    joins = np.concatenate([close_gaps(sketch, gap), cuts])
    parts = _split_components(sketch, joins)
    leaks = find_leaks(sketch, parts.labels, parts.count, gap)
    narrow = leaks[leaks[:, 2] <= gap]  # between lines that have no ends there: blots, corners
    seals = bridge_necks(narrow, parts.labels == 0) if len(narrow) else joins[:0]
    if len(seals):
        parts = _split_components(sketch, np.concatenate([joins, seals]))
        leaks = find_leaks(sketch, parts.labels, parts.count, gap)
    return _build_regions(sketch, parts, leaks)


def _split_components(sketch: Sketch, joins: np.ndarray) -> _RegionComponents:
    walls = draw_joins(joins, sketch.lines)
    count, components, stats, centers = cv2.connectedComponentsWithStats((~walls).view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    components = np.asarray(components, np.int32)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    target, closures = _undo_idle_joins(joins, components, areas, sketch.lines)
    keep = ~_find_flecks(components, areas)
    keep[0] = False
    if count > 1 and not keep.any():
        keep[1:] = True
    numbers = np.zeros(count, np.int32)
    final = keep & (target == np.arange(count))
    numbers[final] = np.arange(1, final.sum() + 1)
    numbers[keep] = numbers[target[keep]]
    return _RegionComponents(numbers[components], stats, centers, numbers, max(int(final.sum()), 1), closures)


def _build_regions(sketch: Sketch, parts: _RegionComponents, leaks: np.ndarray) -> Regions:
    grown = _grow_labels(parts.labels)
    labels = np.where(sketch.lines, 0, grown)
    edges, crossing, lengths = _find_neighbors(grown, sketch)
    border = np.zeros(parts.count + 1, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[side] = True
    border[0] = False
    return Regions(
        labels=labels,
        grown=grown,
        count=parts.count,
        **_measure_regions(parts),
        border=border,
        edges=edges,
        crossing=crossing,
        lengths=lengths,
        closures=parts.closures,
        leaks=leaks,
    )


def _undo_idle_joins(joins: np.ndarray, components: np.ndarray, areas: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take back the joins that part nothing, or cut off a bay that is no larger than its mouth is wide.

    Returns the component that each component is now part of, and the joins that are left.
    """
    target = np.arange(len(areas))
    left = np.zeros(len(joins), bool)

    def find_root(component: int) -> int:
        while target[component] != component:
            component = int(target[component])
        return component

    spans = np.hypot(joins[:, 2] - joins[:, 0], joins[:, 3] - joins[:, 1])
    for index, parts in enumerate(find_adjacent_components(joins, components, lines)):
        sides = sorted({find_root(part) for part in parts}, key=lambda part: int(areas[part]))
        for small in sides[:-1]:
            if areas[small] < spans[index] ** 2:
                target[small] = sides[-1]
            else:
                left[index] = True
    return np.array([find_root(c) for c in range(len(target))], np.int64), joins[left]


def _find_flecks(components: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Which components are nowhere three pixels wide, and short: the pockets where lines meet or run side by side."""
    small = areas < 4 * MIN_AREA
    small[0] = False
    if not small.any():
        return small
    core = cv2.erode(small[components].astype(np.uint8), _PLUS, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    compact = np.zeros(len(areas), bool)
    compact[components[core]] = True
    return small & ~compact


def _grow_labels(labels: np.ndarray) -> np.ndarray:
    """Give every pixel of 0 the label of the nearest other pixel; 1 when there is none."""
    empty = labels == 0
    if empty.all():
        return np.ones_like(labels)
    if not empty.any():
        return labels
    _, nearest = cv2.distanceTransformWithLabels(empty.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    given = np.flatnonzero(labels)
    source = np.zeros(len(given) + 1, np.int32)
    source[nearest.ravel()[given]] = labels.ravel()[given]
    return source[nearest]


def _measure_regions(parts: _RegionComponents) -> dict[str, np.ndarray]:
    """Areas, centroids and boxes of the regions from those of the components they are made of."""
    use, count, stats = parts.numbers > 0, parts.count, parts.stats
    region, weight = parts.numbers[use], stats[use, cv2.CC_STAT_AREA].astype(np.float64)
    total = np.bincount(region, weight, count + 1)
    safe = np.maximum(total, 1)
    centroids = np.stack([np.bincount(region, weight * parts.centers[use, axis], count + 1) / safe for axis in (0, 1)], 1)
    low = np.full((count + 1, 2), np.iinfo(np.int32).max, np.int32)
    high = np.zeros((count + 1, 2), np.int32)
    corner = stats[use][:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    np.minimum.at(low, region, corner)
    np.maximum.at(high, region, corner + stats[use][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]])
    low = np.minimum(low, high)
    boxes = np.concatenate([low, high - low], 1)
    return {"areas": total.astype(np.int64), "centroids": (centroids + 0.5 * (total > 0)[:, None]).astype(np.float32), "boxes": boxes}


def _find_neighbors(grown: np.ndarray, sketch: Sketch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The region graph: (edges, crossing, lengths) as in Regions."""
    main = sketch.lines & ~sketch.traces
    pairs, kinds = [], []
    for one, two in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        a, b = grown[one], grown[two]
        at = np.unravel_index(np.flatnonzero(a != b), a.shape)
        a, b = a[at].astype(np.int64), b[at].astype(np.int64)
        pairs.append(np.minimum(a, b) << 32 | np.maximum(a, b))
        line = main[one][at] | main[two][at]
        trace = sketch.traces[one][at] | sketch.traces[two][at]
        kinds.append(np.where(line, 0, np.where(trace, 1, 2)))
    keys, inverse = np.unique(np.concatenate(pairs), return_inverse=True)
    votes = np.bincount(inverse * 3 + np.concatenate(kinds), minlength=3 * len(keys)).reshape(-1, 3)
    edges = np.stack([keys >> 32, keys & 0xFFFFFFFF], 1).astype(np.int32)
    return edges, votes.argmax(1).astype(np.uint8), votes.sum(1).astype(np.int32)
