"""A cel of a job that networks paint: their frames are brought to exact swatches, region by region."""

import functools
from collections.abc import Mapping

import numpy as np

from ..drawing.colors import paint, reference, snap
from ..job.errors import BadInput
from ..job.files import compute_digest
from ..matching import embedding, shot
from .context import JobContext
from .drawings import DrawingStore
from .figure_match import DrawingMatch, match_drawing, match_key
from .figures import Cutout, Figure, describe_cutouts, find_figures
from .layer import Counts
from .region_layer import ColoredRegions, RegionLayer

KEPT = 64  # drawings of which what was found out stays in memory; of the others it lies in the cache


class SnappedLayer(RegionLayer):
    """A model's own layer says how frames are made: `frame_fingerprint`, `render_frame` and `frame_cache_keys`.

    `lined` are the drawings that have lines: those between two keys have none.
    """

    def __init__(self, context: JobContext, store: DrawingStore, number: int) -> None:
        super().__init__(context, store, number)
        self.job = context.job
        self.lined = [d for d in self.order if self.job.drawing(d).kind != "between"]
        self.name = self.job.cels[number].name
        self.painted = [d for d in self.lined if self.job.drawing(d).kind == "painted"]
        self.reference_shas = [ref.sha256 for ref in self.job.cels[number].references]
        options = [self.job.options[name] for name in ("background", "gap")]
        self.figures_fingerprint = compute_digest(embedding.REVISION, options, list(self.job.size), self.painted, self.reference_shas)
        self.match_drawing = functools.lru_cache(KEPT)(self._match_drawing)
        self._hints: Mapping[str, np.ndarray] = {}  # as from `spread_hints`, of each drawing with lines

    # --- what a model adds ---

    def frame_fingerprint(self, drawing: str) -> str:
        """A key of what the networks' frame of a drawing depends on."""
        raise NotImplementedError

    def render_frame(self, drawing: str) -> np.ndarray:
        """The networks' frame of a drawing, uint8 (H, W, 3) of the shot's size. Raises BadInput, Cancelled, JobFailed."""
        raise NotImplementedError

    def frame_cache_keys(self) -> list[str]:
        """The names of what the networks' frames have in the cache."""
        raise NotImplementedError

    # --- references and drawings ---

    def cut_figures(self, picture: np.ndarray) -> list[Cutout]:
        """What of a reference uint8 (H, W, 4) the model looks at."""
        return find_figures(picture, str(self.job.options["background"]))

    @functools.cached_property
    def palette_and_figures(self) -> tuple[np.ndarray, list[Figure]]:
        """The palette as the references have it, uint8 (P, 4), and the figures. Raises BadInput."""
        found: list[Cutout] = []
        keys = [self.job.drawing(d) for d in self.painted]
        for file, name in [(r.file, r.name) for r in self.job.cels[self.number].references] + [(d.file, d.name) for d in keys]:
            picture = reference.read_reference(self.context.folder / file, name)
            for text in picture.warnings:
                self.context.warn(text)
            found += self.cut_figures(picture.pixels)
        if not found:
            raise self.explain_missing_reference()
        return describe_cutouts(found)

    def explain_missing_reference(self) -> BadInput:
        """What a person is told when the cel has no reference, to be raised."""
        return BadInput(f"The cel {self.name} has no reference: choose a colored picture of it.")

    @functools.cached_property
    def swatches(self) -> np.ndarray:  # type: ignore[override]
        """The palette, uint8 (P, 4). Hints may add to it."""
        return self.palette_and_figures[0]

    def _match_drawing(self, drawing: str) -> DrawingMatch:
        """A drawing with lines. Raises BadInput, Cancelled."""
        self.context.check()
        place = self.lined.index(drawing)
        before = self.lined[place - 1] if place else None
        return match_drawing(self.store, drawing, before, self.figures_fingerprint, lambda: self.palette_and_figures)

    # --- regions ---

    def has_regions(self, drawing: str) -> bool:
        return self.job.drawing(drawing).kind in ("strokes", "raster")

    def reference_probs(self, drawing: str) -> np.ndarray:
        return self.match_drawing(drawing).reference_probs

    def propagate_hints(self, hints: Mapping[str, Mapping[int, int]]) -> None:
        if not hints:
            self._hints = {}
            return
        matches = [self.match_drawing(drawing) for drawing in self.lined]
        links: dict[tuple[int, int], shot.RegionLink] = {}
        for i, match in enumerate(matches[1:], 1):
            assert match.forth is not None and match.back is not None
            links |= {(i - 1, i): match.forth, (i, i - 1): match.back}
        sizes = [(len(match.reference_probs), len(self.swatches) + 1) for match in matches]
        given = {self.lined.index(drawing): regions for drawing, regions in hints.items()}
        self._hints = dict(zip(self.lined, shot.propagate_hints(sizes, links, [False] * len(sizes), given), strict=True))

    def predict_swatches(self, drawing: str) -> tuple[np.ndarray, np.ndarray]:
        """What networks and matcher say that each region wears, before any hint: swatch int32 (R + 1,), confidence float32 (R + 1,)."""
        key = self._swatches_key(drawing)
        kept = self.context.cache.get(key)
        if kept is None:
            match, grown = self.match_drawing(drawing), self.store.load_labels(drawing).astype(np.int32)
            lines, count = match.unpack_lines(self.job.size), len(match.reference_probs) - 1
            frame = self.render_frame(drawing)
            swatch, confidence = snap.snap_to_swatches(
                frame, grown, lines, count, self.palette_and_figures[0], match.reference_probs[:, :-1]
            )
            kept = {"swatch": swatch, "confidence": confidence}
            self.context.cache.put(key, kept)
        return kept["swatch"], kept["confidence"]

    def _swatches_key(self, drawing: str) -> str:
        return "answer-" + compute_digest(self.figures_fingerprint, self.frame_fingerprint(drawing), drawing)[:24]

    def color_regions(self, drawing: str) -> ColoredRegions:
        swatch, confidence = self.predict_swatches(drawing)
        hinted = np.zeros(len(swatch), bool)
        if drawing in self._hints:
            probs = self._hints[drawing]
            hinted = probs.sum(axis=1) > 0.5
            swatch = np.where(hinted, probs.argmax(axis=1), swatch).astype(np.int32)
            confidence = np.where(hinted, 1.0, confidence).astype(np.float32)
        return ColoredRegions(swatch, confidence, hinted)

    def texture_regions(
        self, drawing: str, colored: ColoredRegions, pixels: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What the networks painted, but for paper and for what a person has said, if it is not to be brought to exact swatches."""
        if self.job.options["snap"]:
            return None
        return paint.make_opaque(self.render_frame(drawing)), (self.look_up_colors(colored)[:, 3] > 0) & ~colored.hinted

    # --- pictures ---

    def cache_key(self, drawing: str) -> list[str]:
        """Of hints it holds those alone that change this drawing's picture."""
        return [self.figures_fingerprint, self.frame_fingerprint(drawing), drawing, *self._describe_hints(drawing)]

    def _describe_hints(self, drawing: str) -> list[str]:
        if not self.has_regions(drawing) or drawing not in self._hints or not (self._hints[drawing].sum(axis=1) > 0.5).any():
            return []
        colored = self.color_regions(drawing)
        colors, changed = self.look_up_colors(colored), colored.hinted
        if self.job.options["snap"]:  # regions that wear what they are to wear look no different
            predicted = self.swatches[self.predict_swatches(drawing)[0]]
            changed = changed & (colors != predicted).any(axis=1)
        return [compute_digest(changed.tobytes(), colors[changed].tobytes())] if changed.any() else []

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        kind = self.job.drawing(drawing).kind
        if kind == "painted":
            return self.store.read_painted(drawing), Counts()
        if kind == "between":
            frame, figures = self.render_frame(drawing), self.palette_and_figures[1]
            return paint.remove_paper(frame) if any(f.cut_out for f in figures) else paint.make_opaque(frame), Counts()
        return super().render(drawing)

    def cache_keys(self) -> list[str]:
        befores = [None, *self.lined]
        matches = [match_key(self.figures_fingerprint, d, before) for d, before in zip(self.lined, befores, strict=False)]
        drawn = [d for d in self.lined if self.has_regions(d)]
        regions = [key for d in drawn for key in (*self.store.cache_keys(d), self._swatches_key(d))]
        return [*matches, *regions, *self.frame_cache_keys()]
