"""Matches points of a figure in a drawing by the features of a Stable Diffusion model, as in AniDoc's paper."""

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

SIDE = 768  # px; the longer side of the model's input


class DiftMatcher:
    """Locates a figure's points in drawings. The model is loaded once per job."""

    def __init__(self, folder: Path, device: torch.device, seed: int) -> None:
        """Raises BadInput when there is no such model."""
        self.model, self.seed = Dift(folder, device, devices.inference_dtype(device)), seed

    def start_tracks(self, known: TrackStart, figure: Figure, drawing: FeatureView, lines: np.ndarray) -> TrackStart:
        """Move each point to the most similar place of the drawing, whose lines are `lines` bool (H, W)."""
        paper = np.repeat(np.where(lines, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        figure_features, figure_canvas = self._compute_features(figure.pixels)
        drawing_features, drawing_canvas = self._compute_features(paper)
        places = known.places.copy()
        for number, point in enumerate(known.reference):
            x, y = points.round_to_pixels(
                figure_canvas.map_points(point) * figure_features.shape[2] / figure_canvas.size[0],
                (figure_features.shape[2], figure_features.shape[1]),
            )
            alike = torch.einsum("c,chw->hw", figure_features[:, y, x], drawing_features)[None, None]
            whole = functional.interpolate(alike, size=drawing_canvas.size[::-1], mode="bilinear")[0, 0]
            row, column = divmod(int(whole.argmax()), drawing_canvas.size[0])
            places[number] = (np.array([column, row]) + 0.5 - np.array(drawing_canvas.corner)) / drawing_canvas.scale
        places = np.clip(places, 0, np.array(lines.shape[::-1]) - 1)
        return TrackStart(known.reference, places, drawing.look_up_regions(places))

    def _compute_features(self, picture: np.ndarray) -> tuple[Tensor, Canvas]:
        """The features of a picture uint8 (H, W, 3), and how it is fitted into the model's input."""
        fitted = canvas.fit_canvas((0, 0, picture.shape[1], picture.shape[0]), SIDE)
        pixels = torch.from_numpy(fitted.fit_picture(picture)).permute(2, 0, 1).float() / 255.0
        return self.model.compute_features(pixels, self.seed), fitted
