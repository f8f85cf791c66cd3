"""A cel of a job that LVCD paints from one or several of its drawings in color."""

import functools
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from ...diffusion import canvas as canvases
from ...diffusion.adapter import PipelineLoader
from ...diffusion.parts import SvdNetworks
from ...drawing.colors import palette, reference
from ...job.errors import BadInput
from ...job.files import compute_digest
from ...pictures.context import JobContext
from ...pictures.drawings import DrawingStore
from ...pictures.figures import Cutout, cut_whole
from ...pictures.layer import Counts
from ...pictures.snapped_layer import KEPT, SnappedLayer
from . import survey
from .clip import LvcdClip, LvcdRenderer
from .pipeline import SCHEME, LvcdPipeline
from .plan import plan_stretches

GRID = 16  # the crop is snapped to this fraction of the longer side, so that redrawn lines rarely change it
MARGIN = 0.02  # around the lines, as a fraction of the longer side


class LvcdLayer(SnappedLayer):
    """A layer of LVCD. `drawn` are its drawings without blank ones, which are not painted."""

    def __init__(
        self,
        context: JobContext,
        store: DrawingStore,
        number: int,
        loader: PipelineLoader[SvdNetworks, LvcdPipeline],
        network_options: Mapping[str, object],
        report: Callable[[float, bool], None],
    ) -> None:
        """`network_options` are the job's options that affect the output of the networks · `report` gets the fraction of a segment that is
        denoised, and whether it is finished. Raises BadInput when weights are missing."""
        super().__init__(context, store, number)
        self.loader, self._network_options, self._report = loader, network_options, report
        self._weights = loader.weights_fingerprint  # fails early, before anything is read, if weights are missing
        self.survey_drawing = functools.lru_cache(KEPT)(self._survey_drawing)

    def cut_figures(self, picture: np.ndarray) -> list[Cutout]:
        return [cut_whole(picture, str(self.job.options["background"]))]

    def has_regions(self, drawing: str) -> bool:
        return drawing in self.places

    # --- before painting ---

    def _survey_drawing(self, drawing: str) -> survey.DrawingSurvey:
        name = f"survey-{drawing}"
        kept = self.context.cache.get(name)
        if kept is None:
            self.context.check()
            found = survey.survey_lines(self.store.read_sketch(drawing).lines)
            self.context.cache.put(name, {"box": np.array(found.box), "lines": found.lines})
            return found
        return survey.DrawingSurvey(tuple(kept["box"].tolist()), kept["lines"])  # type: ignore[arg-type]

    @functools.cached_property
    def drawn(self) -> list[str]:
        found = []
        for done, drawing in enumerate(self.order):
            self.context.progress("Reading drawings", done / len(self.order))
            if not self.survey_drawing(drawing).blank:
                found.append(drawing)
        return found

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """The index of each drawing among those that are not blank."""
        return {drawing: place for place, drawing in enumerate(self.drawn)}

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        boxes = np.array([self.survey_drawing(drawing).box for drawing in self.drawn])
        step, size = max(self.job.size) / GRID, np.array(self.job.size)
        margin = MARGIN * max(self.job.size)
        low = (np.maximum(boxes[:, :2].min(axis=0) - margin, 0) // step * step).astype(int)
        high = np.minimum(-(-(boxes[:, 2:].max(axis=0) + margin) // step) * step, size).astype(int)
        return canvases.fit_canvas((*low.tolist(), *(high - low).tolist()), int(str(self.job.options["side"])))

    # --- keys ---

    @functools.cached_property
    def keys(self) -> dict[int, int]:
        """The number of the reference of each drawing that has one, by the drawing's place among those drawn, in order.

        Each reference colors the drawing whose lines fit best. Raises BadInput when none fits.
        """
        fits = self._fit_references()
        found: dict[int, int] = {}
        for number, (place, share) in enumerate(zip(fits["place"].astype(int).tolist(), fits["share"].tolist(), strict=True)):
            if share >= survey.ALIGNED:
                found.setdefault(place, number)
                if share < survey.SURE:
                    self.context.warn(
                        f"Only {share:.0%} of the lines of drawing {place + 1} of the cel {self.name} lie on those of "
                        f"{self._name_reference(number)}: colors may stray from their places. Give a picture painted over that drawing."
                    )
            elif len(self.reference_shas) > 1:
                self.context.warn(
                    f"The reference {self._name_reference(number)} colors no drawing of the cel {self.name}: of that whose lines lie on "
                    f"it best, only {share:.0%} do. Its swatches alone are used."
                )
        if not found:
            raise BadInput(
                f"LVCD needs the first drawing of the shot in color, in its place: {fits['first'][0]:.0%} of the lines of the first "
                f"drawing of the cel {self.name} lie on those of {self._name_reference(0)}, instead of {survey.ALIGNED:.0%} at least. "
                "Paint that drawing, or have Flats or AniDoc paint it, and give this picture."
            )
        if 0 not in found:
            self.context.warn(
                f"The first drawing of the cel {self.name} is not in color: at best {fits['first'].max():.0%} of its lines lie on those "
                f"of a reference. Colors go from drawing {min(found) + 1} on, and back from it."
            )
        return dict(sorted(found.items()))

    @property
    def _fits_key(self) -> str:
        return "keys-" + compute_digest(self.figures_fingerprint, self.drawn)[:24]

    def _fit_references(self) -> Mapping[str, np.ndarray]:
        """For each reference the `place` of the drawing that fits its lines best, the `share` of lines that fit, and that of the
        `first`."""
        kept = self.context.cache.get(self._fits_key)
        if kept is not None:
            return kept
        if not self.reference_shas:
            raise self.explain_missing_reference()
        fits = np.array([self._fit_reference(number) for number in range(len(self.reference_shas))])
        found: dict[str, np.ndarray] = dict(zip(("place", "share", "first"), fits.T, strict=True))
        self.context.cache.put(self._fits_key, found)
        return found

    def _fit_reference(self, number: int) -> tuple[int, float, float]:
        marks = survey.ReferenceMarks.from_painted(
            palette.extract_palette(self.read_reference(number), str(self.job.options["background"]))
        )
        small = marks.shrink_marks()
        shares = np.array([survey.measure_overlap(self.survey_drawing(drawing).lines, small) for drawing in self.drawn])
        likely = [place for place in np.argsort(-shares, kind="stable")[: survey.MOST] if shares[place] >= shares.max() - survey.SIMILAR]
        close = [
            survey.measure_closeness(self.store.read_sketch(self.drawn[place]).lines, marks) if len(likely) > 1 else 1.0 for place in likely
        ]
        place = int(likely[int(np.argmax(close))])
        return place, float(shares[place]), float(shares[0])

    def _name_reference(self, number: int) -> str:
        ref = self.job.cels[self.number].references[number]
        return ref.name or ref.file

    def read_reference(self, number: int) -> np.ndarray:
        """A reference, resized to the shot's size, uint8 (H, W, 4)."""
        ref = self.job.cels[self.number].references[number]
        pixels = reference.read_reference(self.context.folder / ref.file, ref.name, self.job.size).pixels
        if pixels.shape[1::-1] == self.job.size:
            return pixels
        shape, wanted = pixels.shape[1] / pixels.shape[0], self.job.size[0] / self.job.size[1]
        if abs(shape / wanted - 1.0) > 0.01:
            self.context.warn(
                f"The reference {self._name_reference(number)} is of another shape than the shot, into which it was stretched."
            )
        smaller = pixels.shape[1] > self.job.size[0]
        return cv2.resize(pixels, self.job.size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)

    # --- the clip ---

    @functools.cached_property
    def renderer(self) -> LvcdRenderer:
        canvas = [list(self.canvas.box), list(self.canvas.size)]
        fingerprint = compute_digest(self._weights, self._network_options, canvas, list(self.job.size), self.job.seed)
        references = {place: self.reference_shas[number] for place, number in self.keys.items()}
        stretches = plan_stretches(len(self.drawn), list(references), SCHEME.overlap)
        clip = LvcdClip(fingerprint, self.canvas.size, self.drawn, references, stretches, self._show_key, self._draw_lines, self._report)
        return LvcdRenderer(self.context, self.loader.load_pipeline, clip)

    def _read_key(self, place: int) -> np.ndarray:
        """The picture of a key on white, uint8 (H, W, 3)."""
        pixels = self.read_reference(self.keys[place])
        alpha = pixels[..., 3:].astype(np.float32) / 255.0
        return (pixels[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)

    def _show_key(self, place: int) -> np.ndarray:
        return self.canvas.fit_picture(self._read_key(place))

    def _draw_lines(self, place: int) -> np.ndarray:
        """The network's input for a drawing's lines, float32 (H, W) in 0..1."""
        sketch = self.store.read_sketch(self.drawn[place])
        if self.job.options["line_art"] == "binary":
            return canvases.binarize_lines(sketch.lines, self.canvas).astype(np.float32)
        ink = self.canvas.fit_picture(sketch.paint[..., 3].astype(np.float32) / 255.0, 0.0)
        return np.clip(ink / min(1.0, 2.0 * self.canvas.scale), 0.0, 1.0)  # lines 2 px wide stay dark when they are scaled down

    # --- frames ---

    def frame_fingerprint(self, drawing: str) -> str:
        if drawing not in self.places:
            return "blank"
        place = self.places[drawing]
        return self.reference_shas[self.keys[place]] if place in self.keys else self.renderer.fingerprint_frame(place)

    def render_frame(self, drawing: str) -> np.ndarray:
        place = self.places[drawing]
        if place in self.keys:
            return self._read_key(place)
        return self.canvas.put_back(self.renderer.render_frame(place), self.job.size)

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        self.loader.choose_device()  # fails early, before anything is read, if there is none
        if drawing in self.places:
            return super().render(drawing)
        return np.zeros((self.job.size[1], self.job.size[0], 4), np.uint8), Counts()

    def frame_cache_keys(self) -> list[str]:
        surveys = [f"survey-{drawing}" for drawing in self.order]
        return [*surveys, self._fits_key, *self.renderer.cache_keys()] if self.drawn else surveys
