"""A cel of a job, painted by Flats: each region in the swatch that its evidence, its neighbors' and a person's hints agree on."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...job.files import compute_digest
from ...matching import shot
from ...pictures.context import JobContext
from ...pictures.drawings import Analysis, DrawingStore
from ...pictures.layer import Counts
from ...pictures.region_layer import ColoredRegions, RegionLayer
from . import film
from .evidence import Evidence


class FlatsLayer(RegionLayer):
    def __init__(self, context: JobContext, store: DrawingStore, number: int, analyses: Mapping[str, Analysis], evidence: Evidence) -> None:
        super().__init__(context, store, number)
        self.analyses, self.evidence = analyses, evidence
        self.swatches = evidence.swatches
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
        self._colored = {
            drawing: self._decide(belief, hint.sum(axis=1) > 0.5)
            for drawing, belief, hint in zip(evidence.drawings, beliefs, hinted, strict=True)
        }

    def _decide(self, belief: np.ndarray, hinted: np.ndarray) -> ColoredRegions:
        options, known = self.context.job.options, belief[:, :-1]
        swatch = known.argmax(axis=1).astype(np.int32) if known.shape[1] else np.full(len(belief), -1, np.int32)
        confidence = known.max(axis=1).astype(np.float32) if known.shape[1] else np.zeros(len(belief), np.float32)
        if not options["best_guess"]:
            swatch[confidence < float(str(options["threshold"]))] = -1
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
        return Counts(found.count, unknown, len(found.leaks))

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
