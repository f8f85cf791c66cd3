"""A cel of line art whose regions wear one swatch each: hints heeded, pictures composed, and regions told in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..drawing.colors import paint
from ..job.files import write_atomic
from .cache import file_holds, pack_arrays
from .context import JobContext
from .drawings import DrawingStore
from .layer import Counts

Place = tuple[str, int]  # a region of a drawing


@dataclass(frozen=True)
class RegionHint:
    """What a person says that a region of a drawing wears: `color` uint8 RGBA, alpha 0 for nothing; or, when it is given, what the region
    `same_as` wears."""

    drawing: str
    region: int
    color: tuple[int, ...] = (0, 0, 0, 0)
    same_as: Place | None = None


@dataclass(frozen=True)
class ColoredRegions:
    """What each region of a drawing wears: `swatch` int32 (R + 1,), -1 for none · `confidence` float32 (R + 1,) · `hinted` bool (R + 1,)
    where a person has said so, there or in a drawing from which the region follows."""

    swatch: np.ndarray
    confidence: np.ndarray
    hinted: np.ndarray


class RegionLayer:
    """A model's own layer says what regions wear: `reference_probs`, `propagate_hints`, `color_regions`, and if it paints more than even
    color, `texture_regions`. `swatches` uint8 (P, 4) is the palette; hints may add to it."""

    swatches: np.ndarray

    def __init__(self, context: JobContext, store: DrawingStore, number: int) -> None:
        self.context, self.store, self.number = context, store, number
        shown = dict.fromkeys(exposure.drawings[number] for exposure in context.job.frames)
        self.order: list[str] = [drawing for drawing in shown if drawing is not None]

    # --- what a model adds ---

    def has_regions(self, drawing: str) -> bool:
        """Whether a drawing of this cel has regions that wear swatches."""
        raise NotImplementedError

    def reference_probs(self, drawing: str) -> np.ndarray:
        """How likely each region wears which swatch, by the references alone: float32 (R + 1, P + 1), the last column for none."""
        raise NotImplementedError

    def propagate_hints(self, hints: Mapping[str, Mapping[int, int]]) -> None:
        """Heed the swatches that a person gives regions of drawings, in these and in all that follow from them. Replaces earlier hints."""
        raise NotImplementedError

    def color_regions(self, drawing: str) -> ColoredRegions:
        """What the regions of a drawing wear, after what `propagate_hints` was told."""
        raise NotImplementedError

    def texture_regions(
        self, drawing: str, colored: ColoredRegions, pixels: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What is painted in more than even color: a picture uint8 (H, W, 4), and the regions bool (R + 1,) that take it."""
        return None

    # --- hints ---

    def apply_hints(self, hints: Sequence[RegionHint]) -> None:
        """Heed hints, one a region. A region that is to wear what another wears takes what that one ends up with."""
        given: dict[str, dict[int, int]] = {}
        for hint in hints:
            if hint.same_as is None:
                given.setdefault(hint.drawing, {})[hint.region] = self.add_swatch(hint.color)
        self.propagate_hints(given)
        alike = {(hint.drawing, hint.region): hint.same_as for hint in hints if hint.same_as is not None}
        if alike:
            for drawing, region in alike:
                origin, there = _follow_chain((drawing, region), alike)
                given.setdefault(drawing, {})[region] = int(self.color_regions(origin).swatch[there])
            self.propagate_hints(given)

    def add_swatch(self, color: tuple[int, ...]) -> int:
        """The place of a color RGBA in the palette, to which it is added if need be; every clear color is the same."""
        same = (self.swatches == color).all(axis=1) | ((self.swatches[:, 3] == 0) & (color[3] == 0))
        if same.any():
            return int(same.argmax())
        self.swatches = np.concatenate([self.swatches, np.array([color], np.uint8)])
        return len(self.swatches) - 1

    # --- pictures ---

    def look_up_colors(self, colored: ColoredRegions) -> np.ndarray:
        """The colors of regions, uint8 (R + 1, 4), alpha 0 for what stays unpainted."""
        return np.concatenate([self.swatches, np.zeros((1, 4), np.uint8)])[colored.swatch]

    def count_regions(self, drawing: str) -> Counts:
        """What a person is told of a drawing's regions."""
        return Counts(self.store.analyze(drawing).count)

    def find_leaks(self, drawing: str) -> np.ndarray:
        """The open gaps of a drawing, float32 (K, 3): x, y, width in px."""
        return self.store.analyze(drawing).leaks

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        """A drawing's picture, uint8 (H, W, 4), and what is counted in it; writes regions/<id>.npz.

        Raises BadInput, Cancelled, JobFailed.
        """
        colored = self.color_regions(drawing)
        self.write_regions_file(drawing, colored)
        pixels = self.store.load_pixels(drawing)
        texture = self.texture_regions(drawing, colored, pixels)
        lines = bool(self.context.job.options["lines"])
        picture = paint.compose_picture(pixels["grown"], self.look_up_colors(colored), pixels["paint"], pixels["traces"], lines, texture)
        return picture, self.count_regions(drawing)

    def write_regions_file(self, drawing: str, colored: ColoredRegions) -> None:
        """Write regions/<id>.npz, unless it says the same already: confidences change with a neighbor, where paint does not."""
        found = self.store.analyze(drawing)
        regions = {
            "swatches": self.swatches,
            "swatch": colored.swatch,
            "confidence": colored.confidence,
            "leaks": self.find_leaks(drawing),
            "closures": found.closures,
        }
        path = self.context.folder / f"regions/{drawing}.npz"
        if not file_holds(path, regions):
            labels = self.store.load_labels(drawing).astype(np.int32)
            write_atomic(path, pack_arrays({"labels": labels, **regions}))


def _follow_chain(place: Place, alike: Mapping[Place, Place]) -> Place:
    """The region whose swatch a region ends up with, which may be like another that is like another."""
    seen = set()
    while place in alike and place not in seen:
        seen.add(place)
        place = alike[place]
    return place
