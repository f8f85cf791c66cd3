"""A cel of a job, painted by Flats: each region in the swatch that its evidence, its neighbors' and a person's hints agree on."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ...drawing.colors import palette, reference
from ...drawing.regions import find_background
from ...job.files import compute_digest
from ...matching import shot
from ...pictures.context import JobContext
from ...pictures.drawings import Analysis, DrawingStore
from ...pictures.layer import Counts
from ...pictures.region_layer import ColoredRegions, RegionLayer
from . import film
from .evidence import Evidence

OUTSIDE = 0.9  # of the picture's edge: what fills as much of it surrounds the figure
OUTSIDE_SURE = 0.9  # how sure the background must be of a swatch to be painted, without Best Guess


class FlatsLayer(RegionLayer):
    def __init__(self, context: JobContext, store: DrawingStore, number: int, analyses: Mapping[str, Analysis], evidence: Evidence) -> None:
        super().__init__(context, store, number)
        self.analyses, self.evidence = analyses, evidence
        self.swatches = evidence.swatches
        self.open: set[str] = set()  # the drawings of which something is left unpainted because no line closes it off
        self._colored: dict[str, ColoredRegions] = {}
        self._flows: dict[tuple[str, ...], np.ndarray] = {}

    def has_regions(self, drawing: str) -> bool:
        return drawing in self.evidence.drawings

    def reference_probs(self, drawing: str) -> np.ndarray:
        return self.evidence.reference_probs[list(self.evidence.drawings).index(drawing)]

    def propagate_hints(self, hints: Mapping[str, Mapping[int, int]]) -> None:
        evidence = self.evidence
        added = len(self.swatches) - len(evidence.swatches)
        probs = [np.insert(p, [p.shape[1] - 1] * added, 0.0, axis=1) if added else p for p in evidence.reference_probs]
        given = {list(evidence.drawings).index(drawing): dict(regions) for drawing, regions in hints.items()}
        hinted = shot.propagate_hints([p.shape for p in probs], evidence.links, evidence.anchored, given)
        beliefs = shot.smooth_over_shot(probs, evidence.links, evidence.anchored, hinted)
        outsides = self._find_painted_outsides(beliefs, hinted)
        if outsides:
            forced = [hint.copy() for hint in hinted]
            for number, region in outsides:
                forced[number][region, self._clear] = 1.0
            beliefs = shot.smooth_over_shot(probs, evidence.links, evidence.anchored, forced)
        self.open = {evidence.drawings[number] for number, _ in outsides}
        self._colored = {
            drawing: self._decide(belief, hint.sum(axis=1) > 0.5, self._find_background(drawing))
            for drawing, belief, hint in zip(evidence.drawings, beliefs, hinted, strict=True)
        }

    @property
    def _clear(self) -> int:
        """The swatch of the background, -1 where the references have none."""
        clear = np.flatnonzero(self.evidence.swatches[:, 3] == 0)
        return int(clear[0]) if len(clear) else -1

    def _find_painted_outsides(self, beliefs: Sequence[np.ndarray], hinted: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        """What would be painted though no line closes it off: the number of the drawing and of the region, which fills nearly all of the
        picture's edge or hangs on it by an open gap. What fills a reference's edge too is paint."""
        found: list[tuple[int, int]] = []
        if self._clear < 0:
            return found
        for number, drawing in enumerate(self.evidence.drawings):
            if self.evidence.anchored[number]:
                continue
            labels, belief = self.analyses[drawing].shapes.labels, beliefs[number]
            edge = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]), minlength=len(belief))
            outside = edge >= OUTSIDE * edge.sum()
            if len(self.find_leaks(drawing)):
                outside |= self._find_background(drawing)
            swatch = belief[:, :-1].argmax(axis=1)
            painted = outside & (swatch != self._clear) & (hinted[number].sum(axis=1) <= 0.5)
            found += [(number, region) for region in np.flatnonzero(painted).tolist() if int(swatch[region]) not in self._framing]
        return found

    @cached_property
    def _framing(self) -> set[int]:
        """The swatches that fill more of a reference's edge than its background does. Read when something may be one of them."""
        references = self.context.job.cels[self.number].references
        pictures = [reference.read_reference(self.context.folder / given.file, given.name).pixels for given in references]
        painted = [palette.extract_palette(pixels, str(self.context.job.options["background"])) for pixels in pictures]
        swatches, tables = palette.merge_palettes(painted)
        found: set[int] = set()
        for parts, table in zip(painted, tables, strict=True):
            index = table[parts.index]
            edge = np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]])
            length = np.bincount(edge[edge >= 0], minlength=len(swatches))
            found.update(np.flatnonzero(length > length[swatches[:, 3] == 0].sum()).tolist())
        return found

    def _find_background(self, drawing: str) -> np.ndarray:
        shapes = self.analyses[drawing].shapes
        return find_background(shapes.labels, shapes.count + 1)

    def find_leaks(self, drawing: str) -> np.ndarray:
        """The gaps that stay open: those of lines, but for what surely lies between parts of the background, and doubtful wide ones."""
        leaks, gaps = self.analyses[drawing].leaks, self.evidence.gaps.get(drawing)
        if gaps is None:
            return leaks
        return np.concatenate([gaps.open, _remove_near_gaps(leaks, [gaps.idle, gaps.open, gaps.closed])])

    def find_closed_gaps(self, drawing: str) -> np.ndarray:
        """The wide gaps that were closed for the sake of what lies on their two sides, float32 (K, 3): x, y, width in px."""
        gaps = self.evidence.gaps.get(drawing)
        return np.zeros((0, 3), np.float32) if gaps is None else gaps.closed

    def _decide(self, belief: np.ndarray, hinted: np.ndarray, background: np.ndarray) -> ColoredRegions:
        options, known = self.context.job.options, belief[:, :-1]
        swatch = known.argmax(axis=1).astype(np.int32) if known.shape[1] else np.full(len(belief), -1, np.int32)
        confidence = known.max(axis=1).astype(np.float32) if known.shape[1] else np.zeros(len(belief), np.float32)
        if not options["best_guess"]:
            swatch[confidence < float(str(options["threshold"]))] = -1
            if self._clear >= 0:
                swatch[background & (swatch != self._clear) & (confidence < OUTSIDE_SURE) & ~hinted] = -1
        swatch[0] = -1
        return ColoredRegions(swatch, confidence, hinted)

    def color_regions(self, drawing: str) -> ColoredRegions:
        if not self.has_regions(drawing):  # it has no lines
            return ColoredRegions(np.full(2, -1, np.int32), np.ones(2, np.float32), np.zeros(2, bool))
        return self._colored[drawing]

    def texture_regions(
        self, drawing: str, colored: ColoredRegions, pixels: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The film frame, if a reference is one and the drawing can be laid on it, for what is not even there, and what is unknown."""
        scene = self.evidence.scene
        if scene is None or not self.has_regions(drawing):
            return None
        here = self.analyses[drawing].shapes.distance
        there = self.analyses[scene.over].shapes.distance if scene.over else film.measure_distance(scene.lines, here.shape[::-1])
        flows = [film.compute_flow(here, there)]
        chain = film.list_chain(scene, self.evidence.drawings, drawing)
        if len(chain) > 2:
            flows.append(self._follow_chain(chain))
        if max(film.measure_alignment(flow, here, there) for flow in flows) < film.ALIGNED:
            return None
        moved, uneven = film.move_texture(scene, flows, here, there, pixels["grown"], len(colored.swatch) - 1)
        return moved, (uneven | (colored.swatch < 0)) & ~colored.hinted

    def _follow_chain(self, chain: Sequence[str]) -> np.ndarray:
        """The flow from the last drawing of a chain to its first. That of the drawing before is kept: pictures are made in their order."""
        name = tuple(chain)
        if name not in self._flows:
            here, before = (self.analyses[drawing].shapes.distance for drawing in (chain[-1], chain[-2]))
            flow = film.compute_flow(here, before)
            self._flows[name] = film.join_flows(flow, self._follow_chain(chain[:-1])) if len(chain) > 2 else flow
            while len(self._flows) > film.CHAIN:
                self._flows.pop(next(iter(self._flows)))
        return self._flows[name]

    def count_regions(self, drawing: str) -> Counts:
        found = self.analyses[drawing]
        unknown = int((self.color_regions(drawing).swatch[1:] < 0).sum()) if self.has_regions(drawing) else 0
        leaks = len(self.find_leaks(drawing)) + len(self.find_closed_gaps(drawing)) if self.has_regions(drawing) else 0
        return Counts(found.count, unknown, max(leaks, int(drawing in self.open)))

    def cache_key(self, drawing: str) -> list[str]:
        if not self.has_regions(drawing):
            return [self.analyses[drawing].key, "empty"]
        colored, scene = self.color_regions(drawing), self.evidence.scene
        chain = [self.analyses[name].key for name in film.list_chain(scene, self.evidence.drawings, drawing)] if scene else []
        texture = (colored.swatch.tobytes(), colored.hinted.tobytes(), scene.key, film.REVISION, *chain) if scene else ()
        return [self.analyses[drawing].key, compute_digest(self.look_up_colors(colored).tobytes(), *texture)]

    def cache_keys(self) -> list[str]:
        """None but those that this run has read or written: all that may be needed again is among them."""
        return []


def _remove_near_gaps(leaks: np.ndarray, known: Sequence[np.ndarray]) -> np.ndarray:
    """Those of the leaks (K, 3) that are none of the `known` gaps (M, 3)."""
    gaps = np.concatenate(known)
    apart = np.hypot(leaks[:, None, 0] - gaps[None, :, 0], leaks[:, None, 1] - gaps[None, :, 1])
    return leaks[~(apart < np.maximum(leaks[:, None, 2], gaps[None, :, 2])).any(axis=1)]
