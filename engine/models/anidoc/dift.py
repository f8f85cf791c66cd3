"""Points between a figure and a drawing by the features of a Stable Diffusion model, as in AniDoc's paper."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...diffusion import canvas
from ...diffusion import device as devices
from ...diffusion.canvas import Canvas
from ...diffusion.dift import Dift
from ...pictures.figures import Figure
from . import points
from .correspondence import FeatureView, TrackStart

SIDE = 768  # px; the longer side of what the model looks at


class DiftMatcher:
    """Finds a figure's points again. The model is loaded once a job."""

    def __init__(self, folder: Path, device: torch.device, seed: int) -> None:
        """Raises BadInput when there is no such model."""
        self.model, self.seed = Dift(folder, device, devices.inference_dtype(device)), seed

    def start_tracks(self, known: TrackStart, figure: Figure, drawing: FeatureView, lines: np.ndarray) -> TrackStart:
        """The same points of the figure, each where the drawing, with `lines` bool (H, W), looks most alike."""
        paper = np.repeat(np.where(lines, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        asked, there = self._compute_features(figure.pixels)
        given, here = self._compute_features(paper)
        places = known.places.copy()
        for number, point in enumerate(known.reference):
            x, y = points.round_to_pixels(there.map_points(point) * asked.shape[2] / there.size[0], (asked.shape[2], asked.shape[1]))
            alike = torch.einsum("c,chw->hw", asked[:, y, x], given)[None, None]
            whole = functional.interpolate(alike, size=here.size[::-1], mode="bilinear")[0, 0]
            row, column = divmod(int(whole.argmax()), here.size[0])
            places[number] = (np.array([column, row]) + 0.5 - np.array(here.corner)) / here.scale
        places = np.clip(places, 0, np.array(lines.shape[::-1]) - 1)
        return TrackStart(known.reference, places, drawing.look_up_regions(places))

    def _compute_features(self, picture: np.ndarray) -> tuple[Tensor, Canvas]:
        """Features of a picture uint8 (H, W, 3), and how it is fitted into what the model looks at."""
        fitted = canvas.fit_canvas((0, 0, picture.shape[1], picture.shape[0]), SIDE)
        pixels = torch.from_numpy(fitted.fit_picture(picture)).permute(2, 0, 1).float() / 255.0
        return self.model.compute_features(pixels, self.seed), fitted
