"""A cel of a job, painted by LVCD from one colored drawing of it, or from several."""

import functools
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...diffusion import canvas as canvases
from ...drawing.colors import palette, reference
from ...drawing.sketch import Sketch
from ...job.errors import BadInput
from ...job.files import digest
from ...pictures import cel
from ...pictures.figures import Cutout, whole
from . import survey
from .painting import SCHEME, Painting, Shot
from .plan import stretches

if TYPE_CHECKING:
    from .model import Run

GRID = 16  # parts of the longer side, by which the network's part of the pictures grows: redrawn lines seldom change it
MARGIN = 0.02  # of the longer side, left free around the lines


class Cel(cel.Cel):
    """`drawn` its drawings without those that are blank, which the network does not see and nobody paints."""

    run: "Run"

    def __init__(self, run: "Run", number: int) -> None:
        super().__init__(run, number)
        _ = run.about  # whether there are weights is told before anything is read
        self.survey = functools.lru_cache(cel.KEPT)(self._survey)

    def cutouts(self, picture: np.ndarray) -> list[Cutout]:
        return [whole(picture, str(self.job.options["background"]))]

    # --- before painting ---

    def _survey(self, drawing: str) -> survey.Survey:
        name = f"survey-{drawing}"
        kept = self.run.cache.get(name)
        if kept is None:
            self.run.check()
            found = survey.survey(self._sketch(drawing).lines)
            self.run.cache.put(name, {"box": np.array(found.box), "lines": found.lines})
            return found
        return survey.Survey(tuple(kept["box"].tolist()), kept["lines"])  # type: ignore[arg-type]

    def _sketch(self, drawing: str) -> Sketch:
        return self.reader.sketch(self.job.drawing(drawing))

    @functools.cached_property
    def drawn(self) -> list[str]:
        found = []
        for done, drawing in enumerate(self.order):
            self.run.progress("Reading drawings", done / len(self.order))
            if not self.survey(drawing).blank:
                found.append(drawing)
        return found

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        boxes = np.array([self.survey(drawing).box for drawing in self.drawn])
        step, size = max(self.job.size) / GRID, np.array(self.job.size)
        margin = MARGIN * max(self.job.size)
        low = (np.maximum(boxes[:, :2].min(axis=0) - margin, 0) // step * step).astype(int)
        high = np.minimum(-(-(boxes[:, 2:].max(axis=0) + margin) // step) * step, size).astype(int)
        return canvases.fit((*low.tolist(), *(high - low).tolist()), int(str(self.job.options["side"])))

    @functools.cached_property
    def keys(self) -> dict[int, int]:
        """The reference, by number, of each drawing that one colors, by its place among those drawn, in order.

        Each colors the drawing whose lines meet its own best. Raises BadInput when none meets any.
        """
        name = "keys-" + digest(self._seen, self.drawn)[:24]
        kept = self.run.cache.get(name)
        if kept is None:
            if not self.shas:
                _ = self.look  # says that there is no reference
            fits = np.array([self._fit(number) for number in range(len(self.shas))])
            kept: dict[str, np.ndarray] | None = dict(zip(("place", "share", "first"), fits.T, strict=True))
            self.run.cache.put(name, kept)
        self._kept_keys = name
        found: dict[int, int] = {}
        for number, (place, share) in enumerate(zip(kept["place"].astype(int).tolist(), kept["share"].tolist(), strict=True)):
            if share >= survey.ALIGNED:
                found.setdefault(place, number)
                if share < survey.SURE:
                    self.run.warn(
                        f"Only {share:.0%} of the lines of drawing {place + 1} of the cel {self.name} lie on those of "
                        f"{self._name(number)}: colors may stray from their places. Give a picture painted over that drawing."
                    )
            elif len(self.shas) > 1:
                self.run.warn(
                    f"The reference {self._name(number)} colors no drawing of the cel {self.name}: of that whose lines lie on it best, "
                    f"only {share:.0%} do. Its swatches alone are used."
                )
        if not found:
            raise BadInput(
                f"LVCD needs the first drawing of the shot in color, in its place: {kept['first'][0]:.0%} of the lines of the first "
                f"drawing of the cel {self.name} lie on those of {self._name(0)}, instead of {survey.ALIGNED:.0%} at least. Paint that "
                "drawing, or have Flats or AniDoc paint it, and give this picture."
            )
        if 0 not in found:
            self.run.warn(
                f"The first drawing of the cel {self.name} is not in color: at best {kept['first'].max():.0%} of its lines lie on those "
                f"of a reference. Colors go from drawing {min(found) + 1} on, and back from it."
            )
        return dict(sorted(found.items()))

    def _name(self, number: int) -> str:
        ref = self.job.cels[self.number].references[number]
        return ref.name or ref.file

    def _fit(self, number: int) -> tuple[int, float, float]:
        """The drawing whose lines a reference's meet best, the share of them, and that of the first drawing's."""
        marks = survey.Marks.of(palette.extract(self.picture(number), str(self.job.options["background"])))
        small = marks.small()
        shares = np.array([survey.overlap(self.survey(drawing).lines, small) for drawing in self.drawn])
        likely = [place for place in np.argsort(-shares, kind="stable")[: survey.MOST] if shares[place] >= shares.max() - survey.SIMILAR]
        close = [survey.closeness(self._sketch(self.drawn[place]).lines, marks) if len(likely) > 1 else 1.0 for place in likely]
        place = int(likely[int(np.argmax(close))])
        return place, float(shares[place]), float(shares[0])

    def picture(self, number: int) -> np.ndarray:
        """A reference in the shot's size, uint8 (H, W, 4)."""
        ref = self.job.cels[self.number].references[number]
        pixels = reference.read(self.run.folder / ref.file, ref.name, self.job.size).pixels
        if pixels.shape[1::-1] == self.job.size:
            return pixels
        shape, wanted = pixels.shape[1] / pixels.shape[0], self.job.size[0] / self.job.size[1]
        if abs(shape / wanted - 1.0) > 0.01:
            self.run.warn(f"The reference {self._name(number)} is of another shape than the shot, into which it was stretched.")
        smaller = pixels.shape[1] > self.job.size[0]
        return cv2.resize(pixels, self.job.size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)

    # --- painting ---

    @functools.cached_property
    def painting(self) -> Painting:
        options = {name: value for name, value in self.job.options.items() if name not in self.run.PAINT}
        canvas = [list(self.canvas.box), list(self.canvas.size)]
        key = digest(self.run.about, options, canvas, list(self.job.size), self.job.seed)
        references = {place: self.shas[number] for place, number in self.keys.items()}
        ways = stretches(len(self.drawn), list(references), SCHEME.overlap)
        return Painting(self.run, Shot(key, self.canvas.size, self.drawn, references, ways, self._shown, self._lines))

    def _on_white(self, place: int) -> np.ndarray:
        """The picture of a key, uint8 (H, W, 3)."""
        pixels = self.picture(self.keys[place])
        alpha = pixels[..., 3:].astype(np.float32) / 255.0
        return (pixels[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)

    def _shown(self, place: int) -> np.ndarray:
        return self.canvas.show(self._on_white(place))

    def _lines(self, place: int) -> np.ndarray:
        """A drawing's lines as the network reads them, float32 (H, W) in 0..1."""
        sketch = self._sketch(self.drawn[place])
        if self.job.options["line_art"] == "binary":
            return canvases.binarized(sketch.lines, self.canvas).astype(np.float32)
        ink = self.canvas.show(sketch.paint[..., 3].astype(np.float32) / 255.0, 0.0)
        return np.clip(ink / min(1.0, 2.0 * self.canvas.scale), 0.0, 1.0)  # lines 2 px wide stay dark when they shrink

    def basis(self, drawing: str) -> str:
        if drawing not in self.places:
            return "blank"
        place = self.places[drawing]
        return self.shas[self.keys[place]] if place in self.keys else self.painting.basis(place)

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """The place of each drawing among those drawn."""
        return {drawing: place for place, drawing in enumerate(self.drawn)}

    def frame(self, drawing: str) -> np.ndarray:
        place = self.places[drawing]
        if place in self.keys:
            return self._on_white(place)
        return self.canvas.put_back(self.painting.frame(place), self.job.size)

    def layer(self, drawing: str) -> tuple[np.ndarray, int]:
        if drawing in self.places:
            return super().layer(drawing)
        return np.zeros((self.job.size[1], self.job.size[0], 4), np.uint8), 0

    def kept(self) -> list[str]:
        if not self.drawn:
            return [f"survey-{drawing}" for drawing in self.order]
        _ = self.keys
        return [*(f"survey-{drawing}" for drawing in self.order), self._kept_keys, *self.painting.kept()]
