"""Painted film frames as references: what is not flat there takes its texture from there, moved by the flow of the lines.

A flat swatch can't stand for a sky that fades or a fence with grain, nor for two things that no line parts. Only a reference that is
painted, fills its whole picture and shows the shot's own framing gives texture; every other leaves the swatches alone.

Flow from the film frame at once keeps its place but loses what moves fast; flow from neighbor to neighbor follows what moves fast but
drifts. The texture is a mean of both, weighted at each place by how well the lines meet there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...drawing.colors.palette import PaintedReference, grow_labels
from ...matching import twin
from ...matching.shapes import REACH, SIDE, Shapes

REVISION = "2"  # of how texture is moved: pictures of another are made anew
ALIGNED = 0.5  # share of lines that must meet for the flow to be trusted
DRAWN = 0.6  # share of a drawing's lines that lie on edges of the film frame it was drawn over
NEAR = 2.0  # px; lines this near meet
CHAIN = 16  # drawings, as far as flow is followed from neighbor to neighbor
AROUND = 33  # px of a distance map, in which lines are compared
RARE, MAIN = 0.05, 0.5  # shares of a region in a swatch
BLEND = 4.0  # of the 255 of a distance map: by so much lines must meet better to weigh e times as much
EVEN = 3.0  # CIELAB; a region that varies by less is flat


@dataclass(frozen=True)
class FilmFrame:
    """A film frame: `key` of what it was made from · `pixels` uint8 (H, W, 4) without its lines · `index` int16 (H, W) into the cel's
    palette, -1 on lines · `lines` bool of any size, those that drawings are aligned to · `over` the drawing that they are, if one is."""

    key: str
    pixels: np.ndarray
    index: np.ndarray
    lines: np.ndarray
    over: str | None


@dataclass(frozen=True)
class FrameFlow:
    """Where each pixel of a drawing lies in a film frame by flow at once: `x`, `y` float32 (H, W) as fractions of its size; `alignment`
    0..1, the share of lines that meet."""

    x: np.ndarray
    y: np.ndarray
    alignment: float


def find_film_frame(
    key: str, pixels: np.ndarray, painted: PaintedReference, table: np.ndarray, lines: np.ndarray, over: str | None
) -> FilmFrame | None:
    """The film frame that a reference is, or None when it is flat or shows a figure on paper; `table` as from `palette.merge_palettes`."""
    if painted.flat or (painted.swatches[:, 3] == 0).any():
        return None
    off_lines = cv2.dilate(painted.lines.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    nearest = grow_labels(np.where(off_lines, np.arange(1, off_lines.size + 1, dtype=np.int32).reshape(off_lines.shape), 0))
    return FilmFrame(key, pixels.reshape(-1, 4)[nearest - 1], table[painted.index], lines, over)


def find_drawing_over(view: Shapes, drawings: Iterable[tuple[str, Shapes]]) -> str | None:
    """The drawing whose lines lie best on those of a film frame, or None: lines drawn over a frame align better than lines found in it."""
    shares = {name: twin.measure_line_overlap(drawing, view)[0] for name, drawing in drawings}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= DRAWN else None


def align_lines(film: FilmFrame, lines: np.ndarray) -> FrameFlow:
    """Follow the lines of a drawing, bool (H, W), to those of a film frame, by dense flow between the distances to them."""
    height, width = lines.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    here, there = (measure_distance(mask, size) for mask in (lines, film.lines))
    vectors = compute_flow(here, there)
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    x, y = columns + vectors[..., 0], rows + vectors[..., 1]
    on_lines = here == 0
    meets = _sample(there, vectors)[on_lines] < 255 * NEAR / REACH
    full = [cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in (x / size[0], y / size[1])]
    return FrameFlow(full[0], full[1], float(meets.mean()) if len(meets) else 0.0)


def count_votes(film: FilmFrame, way: FrameFlow, grown: np.ndarray, count: int, swatches: int) -> np.ndarray:
    """The share of each region that lands on each swatch of a film frame, float32 (count + 1, swatches + 1); the last for none."""
    seen = _moved(film.index, way.x, way.y, cv2.INTER_NEAREST)
    code = grown.astype(np.int64) * (swatches + 1) + np.where(seen < 0, swatches, seen)
    found = np.bincount(code.ravel(), minlength=(count + 1) * (swatches + 1)).reshape(count + 1, -1).astype(np.float32)
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1.0)


def list_chain(film: FilmFrame, drawings: Sequence[str], drawing: str) -> list[str]:
    """The drawings in order from the one that a film frame lies over to `drawing`, both included; none when it is farther than CHAIN."""
    if film.over is None or film.over not in drawings or drawing not in drawings:
        return []
    first, last = drawings.index(film.over), drawings.index(drawing)
    if abs(last - first) > CHAIN:
        return []
    return list(drawings[first : last + 1] if last >= first else drawings[last : first + 1][::-1])


def compute_flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Where each pixel of a distance map uint8 (h, w) lies in another, float32 (h, w, 2) px from its own place, x first."""
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    return method.calc(here, there, np.zeros((*here.shape, 2), np.float32))


def join_flows(step: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The flow `step` to a neighbor and then that neighbor's flow `before`, as one."""
    return step + _sample(before, step)


def move_texture(
    film: FilmFrame, flows: Sequence[np.ndarray], here: np.ndarray, there: np.ndarray, grown: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The film frame moved to a drawing, uint8 (H, W, 4), and which regions bool (count + 1,) take it: those that are not even in it.

    `flows` are ways from the drawing to the film frame, as from `compute_flow` between the distance maps `here` and `there` of their lines;
    where they differ, those count by which the lines around meet.
    """
    height, width = grown.shape
    costs = np.stack([_measure_misses(flow, here, there) for flow in flows])
    weights = np.exp((costs.min(0) - costs) / BLEND)
    mixed = np.zeros((height, width, 4), np.float32)
    index = np.zeros((height, width), film.index.dtype)
    most = np.zeros((height, width), np.float32)
    for flow, weight in zip(flows, weights / weights.sum(0), strict=True):
        way, share = _scale_flow(flow, (width, height)), cv2.resize(weight, (width, height))
        mixed += _moved(film.pixels, *way, cv2.INTER_LINEAR) * share[..., None]
        index = np.where(share > most, _moved(film.index, *way, cv2.INTER_NEAREST), index)
        most = np.maximum(share, most)
    moved = _mend_torn(np.rint(mixed).astype(np.uint8), _find_torn(index, grown, count), grown, count)
    lab = cv2.cvtColor(moved[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    flat = grown.ravel()
    area = np.maximum(np.bincount(flat, minlength=count + 1), 1)
    varies = np.zeros(count + 1)
    for channel in range(3):
        values = lab[..., channel].ravel()
        mean = np.bincount(flat, values, count + 1) / area
        varies += np.maximum(np.bincount(flat, values**2, count + 1) / area - mean**2, 0.0)
    return moved, np.sqrt(varies) > EVEN


def _find_torn(index: np.ndarray, grown: np.ndarray, count: int) -> np.ndarray:
    """Pieces of a neighbor that the flow has carried over a line, bool (H, W): a swatch that is rare in a region and is what another is
    mostly made of. `index` int16 (H, W) as that of a film frame."""
    swatches = int(index.max()) + 2
    seen = np.where(index < 0, swatches - 1, index)
    code = grown.astype(np.int64) * swatches + seen
    shares = np.bincount(code.ravel(), minlength=(count + 1) * swatches).reshape(count + 1, swatches).astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    owned = (shares > MAIN).any(axis=0)
    owned[-1] = False
    return ((shares < RARE) & owned)[grown, seen]


def _mend_torn(moved: np.ndarray, torn: np.ndarray, grown: np.ndarray, count: int) -> np.ndarray:
    """Torn pieces in the color of the nearest pixel of their region that is not torn."""
    if not torn.any() or torn.all():
        return moved
    nearest = grow_labels(np.where(torn, 0, np.arange(1, torn.size + 1, dtype=np.int32).reshape(torn.shape))) - 1
    mended = torn & (grown.ravel()[nearest] == grown)
    result = np.where(mended[..., None], moved.reshape(-1, 4)[nearest], moved)
    rest = torn & ~mended
    if rest.any():  # the nearest lies across the line
        whole = ~torn
        area = np.maximum(np.bincount(grown[whole], minlength=count + 1), 1)
        means = np.stack([np.bincount(grown[whole], moved[..., c][whole], count + 1) / area for c in range(4)], axis=1)
        result[rest] = np.rint(means).astype(np.uint8)[grown[rest]]
    return result


def measure_alignment(flow: np.ndarray, here: np.ndarray, there: np.ndarray) -> float:
    """The share 0..1 of the lines of the distance map `here` that meet lines of `there` by a flow."""
    on_lines = here < 255.0 / REACH
    return float((_sample(there, flow)[on_lines] < 255.0 * NEAR / REACH).mean()) if on_lines.any() else 0.0


def _measure_misses(flow: np.ndarray, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """How badly lines meet around each pixel, float32 (h, w), in the units of distance maps."""
    return cv2.blur(cv2.absdiff(_sample(there, flow), here).astype(np.float32), (AROUND, AROUND))


def _sample(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(picture, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _scale_flow(flow: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a picture of `size` (width, height) lie by a flow between distance maps, as fractions: x, y float32 (H, W)."""
    height, width = flow.shape[:2]
    large = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR)
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    return columns / size[0] + large[..., 0] / width, rows / size[1] + large[..., 1] / height


def _moved(picture: np.ndarray, x: np.ndarray, y: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = picture.shape[:2]
    return cv2.remap(picture, x * width, y * height, interpolation, borderMode=cv2.BORDER_REPLICATE)


def measure_distance(lines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Distance to the nearest line, uint8 at `size`, 0 to 255 at REACH."""
    far = cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 5) * (size[0] / lines.shape[1])
    far = cv2.resize(np.minimum(far, REACH), size, interpolation=cv2.INTER_NEAREST)
    return (far * (255.0 / REACH)).astype(np.uint8)
