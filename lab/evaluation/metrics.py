"""Numbers for painted drawings. Pixels on lines count nowhere; a color is right when it is exactly right.

Paint is compared as codes, uint32 (H, W): 0 is transparent, UNKNOWN is left unpainted for doubt, everything else is a color.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from skimage.measure import label

UNKNOWN = np.uint32(1)
LARGE = 10  # px; Acc-Thr counts larger regions only
BINS = 10
SURE = 0.9


def encode_colors(rgba: np.ndarray) -> np.ndarray:
    """Colors uint8 (..., 4) as uint32 (...). All transparent ones are 0."""
    packed = np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    return np.where(rgba[..., 3] == 0, np.uint32(0), packed)


def find_true_regions(truth: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """The areas of one true color that lie together off the lines, int32 (H, W), 0 elsewhere.

    What is nowhere three pixels wide is the unsteadiness of a line, and no region.
    """
    index = np.searchsorted(_find_distinct(truth), truth)
    labels = label(np.where(ink, 0, index + 1), connectivity=1, background=0).astype(np.int32)
    inner = np.pad(labels, 1, mode="edge")
    core = np.ones(labels.shape, bool)
    for side in (inner[:-2, 1:-1], inner[2:, 1:-1], inner[1:-1, :-2], inner[1:-1, 2:]):
        core &= side == labels
    wide = np.bincount(labels[core], minlength=int(labels.max(initial=0)) + 1) > 0
    wide[0] = False
    return (np.cumsum(wide) * wide).astype(np.int32)[labels]


def find_neighbors(regions: np.ndarray, reach: int = 7) -> list[np.ndarray]:
    """The regions within `reach` px of each region of a map (H, W), 0 being none; entry 0 is empty."""
    pairs = [np.zeros(0, np.int64)]
    for step in (1, 2, 4, reach):
        for a, b in ((regions[:, :-step], regions[:, step:]), (regions[:-step], regions[step:])):
            apart = (a != b) & (a > 0) & (b > 0)
            pairs.append(np.unique(a[apart].astype(np.int64) << 32 | b[apart]))
    keys = np.unique(np.concatenate(pairs))
    one, two = keys >> 32, keys & 0xFFFFFFFF
    one, two = np.concatenate([one, two]), np.concatenate([two, one])
    return [np.unique(two[one == region]) for region in range(int(regions.max(initial=0)) + 1)]


def find_majority(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The commonest value in each region of `labels` (H, W), its share of the region's pixels, and these; entry 0 unused."""
    region, value, length = _find_runs(labels, values)
    kinds, index = np.unique(value, return_inverse=True)
    count = int(region.max(initial=0)) + 1
    votes = np.bincount(region.astype(np.int64) * len(kinds) + index, length, count * len(kinds)).reshape(count, -1)
    area = votes.sum(1)
    return kinds[votes.argmax(1)], votes.max(1) / np.maximum(area, 1), area.astype(np.int64)


def _find_runs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of two maps (H, W) along the rows, one entry for each run of equal ones, and the runs' lengths: flats have few."""
    a, b = a.ravel(), b.ravel()
    starts = np.flatnonzero(np.concatenate([[True], (a[1:] != a[:-1]) | (b[1:] != b[:-1])]))
    return a[starts], b[starts], np.diff(starts, append=len(a))


def _find_distinct(values: np.ndarray) -> np.ndarray:
    return np.unique(_find_runs(values, values)[0])


@dataclass(frozen=True)
class PaintAccuracy:
    """Of one drawing, 0..1, as BasicPBC and DACoN define them; nan where there is nothing to count.

    acc      share of the regions with the right color · acc_thr the same of those larger than 10 px
    pix      share of the pixels · pix_f the same without the background
    b_miou   intersection over union of the background's pixels
    """

    acc: float
    acc_thr: float
    pix: float
    pix_f: float
    b_miou: float


def measure_accuracy(truth: np.ndarray, paint: np.ndarray, regions: np.ndarray, ink: np.ndarray) -> PaintAccuracy:
    """Codes of the true and of the given paint, the regions int32 (H, W) and the lines bool (H, W)."""
    wanted, _, area = find_majority(regions, truth)
    given, _, _ = find_majority(regions, paint)
    right = (wanted == given)[1:][area[1:] > 0]
    large = area[1:][area[1:] > 0] > LARGE
    off = ~ink
    same, figure = (truth == paint) & off, (truth != 0) & off
    back, back_given = (truth == 0) & off, (paint == 0) & off
    return PaintAccuracy(
        _compute_share(right.sum(), len(right)),
        _compute_share(right[large].sum(), large.sum()),
        _compute_share(same.sum(), off.sum()),
        _compute_share((same & figure).sum(), figure.sum()),
        _compute_share((back & back_given).sum(), (back | back_given).sum()),
    )


def _compute_share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def average_accuracies(found: Sequence[PaintAccuracy]) -> PaintAccuracy:
    """Averaged per drawing."""
    return PaintAccuracy(*(average_known([getattr(one, f.name) for one in found]) for f in fields(PaintAccuracy)))


def average_known(values: Sequence[float] | np.ndarray) -> float:
    array = np.asarray(values, float)
    array = array[~np.isnan(array)]
    return float(array.mean()) if len(array) else float("nan")


def measure_purity(paint: np.ndarray, palette: np.ndarray, ink: np.ndarray) -> float:
    """The share of the painted pixels off the lines whose color is one of `palette` (codes)."""
    painted = (paint != 0) & (paint != UNKNOWN) & ~ink
    return _compute_share(np.isin(paint[painted], palette).sum(), painted.sum())


def count_flicker(truths: Sequence[np.ndarray], paints: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> tuple[int, int]:
    """How many regions change their color from one drawing to the next though they should not, and of how many.

    Regions of one true color are the same when more than half of the smaller lies on the other.
    """
    changed, total = 0, 0
    tables = [
        (find_majority(cut, truth)[0], *find_majority(cut, paint)[::2]) for truth, paint, cut in zip(truths, paints, regions, strict=True)
    ]
    for here, there, a, b in zip(regions, regions[1:], tables, tables[1:], strict=False):
        one, two, length = _find_runs(here, there)
        keys, index = np.unique(one.astype(np.int64) << 32 | two, return_inverse=True)
        i, j, common = keys >> 32, keys & 0xFFFFFFFF, np.bincount(index, length)
        same = (i > 0) & (j > 0) & (a[0][i] == b[0][j]) & (2 * common > np.minimum(a[2][i], b[2][j]))
        total += int(same.sum())
        changed += int((a[1][i[same]] != b[1][j[same]]).sum())
    return changed, total


@dataclass(frozen=True)
class Calibration:
    """What confidences are worth, of all regions that a model painted. Shares 0..1.

    unknown  of the regions are below the model's threshold · painted_right of the others are right
    sure     have a confidence of 0.9 or more · sure_right of these are right · ece expected calibration error, ten equal bins
    """

    unknown: float
    painted_right: float
    sure: float
    sure_right: float
    ece: float


def measure_calibration(confidence: np.ndarray, right: np.ndarray, threshold: float) -> Calibration:
    """`confidence` 0..1 and whether each region is right, (N,)."""
    known, sure = confidence >= threshold, confidence >= SURE
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = sum(abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    return Calibration(
        _compute_share((~known).sum(), len(known)),
        _compute_share(right[known].sum(), known.sum()),
        _compute_share(sure.sum(), len(sure)),
        _compute_share(right[sure].sum(), sure.sum()),
        float(error),
    )
