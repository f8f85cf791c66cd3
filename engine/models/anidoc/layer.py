"""A cel of a job that AniDoc paints: its windows and their conditions."""

import functools
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ...diffusion import canvas as canvases
from ...diffusion.adapter import PipelineLoader
from ...diffusion.windows import split_windows
from ...job.errors import BadInput
from ...job.files import compute_digest
from ...matching import embedding
from ...pictures.context import JobContext
from ...pictures.drawings import DrawingStore
from ...pictures.figure_match import DrawingMatch
from ...pictures.layer import Counts
from ...pictures.snapped_layer import SnappedLayer
from . import condition, correspondence, points
from .clip import AniDocClip, AniDocRenderer
from .correspondence import FeatureView
from .dift import DiftMatcher
from .networks import AniDocNetworks
from .pipeline import AniDocPipeline

MOST = 96  # drawings between two keys at most, including both: the network processes all of them at once


class AniDocLayer(SnappedLayer):
    """A layer whose windows depend on each other, so that all frames depend on all drawings."""

    def __init__(
        self,
        context: JobContext,
        store: DrawingStore,
        number: int,
        loader: PipelineLoader[AniDocNetworks, AniDocPipeline],
        network_options: Mapping[str, object],
    ) -> None:
        """`network_options` are the job's options that affect the output of the networks. Raises BadInput when weights are missing."""
        super().__init__(context, store, number)
        self.loader = loader
        places = [self.job.drawing(drawing).at for drawing in self.order]
        about = [loader.weights_fingerprint, embedding.REVISION, network_options, list(self.job.size)]
        self._fingerprint = compute_digest(*about, self.job.seed, self.job.task, self.order, places, self.reference_shas)
        self.view_drawing = functools.lru_cache(24)(self._view_drawing)

    def frame_fingerprint(self, drawing: str) -> str:
        return self._fingerprint

    def frame_cache_keys(self) -> list[str]:
        return [f"{AniDocRenderer.CACHE_NAME}-{self._fingerprint[:24]}"]

    def render_frame(self, drawing: str) -> np.ndarray:
        return self.canvas.put_back(self.renderer.render_frame(self.order.index(drawing)), self.job.size)

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        self.loader.choose_device()  # fails early, before anything is read, if there is none
        return super().render(drawing)

    # --- the clip ---

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        lines = (match.unpack_lines(self.job.size) for match in self._match_all())
        return canvases.fit_canvas(canvases.bound_content(lines, self.job.size), int(str(self.job.options["side"])))

    def _match_all(self) -> Iterator[DrawingMatch]:
        for done, drawing in enumerate(self.lined):
            self.context.progress("Reading drawings", done / len(self.lined))
            yield self.match_drawing(drawing)

    @functools.cached_property
    def renderer(self) -> AniDocRenderer:
        count, length = len(self.order), int(str(self.job.options["window"]))
        if self.job.task == "inbetween":
            spans = self._plan_between_keys()
        else:
            spans = split_windows(count, length, min(int(str(self.job.options["overlap"])), length - 1))
        chosen = [self._choose_figure(span) for span in spans]
        for span, which in zip(spans, chosen, strict=True):
            if self.match_drawing(self.order[span.start]).fits[which].share < 0.1:
                self.context.warn(f"Hardly anything of the drawing at {span.start + 1} is found in the reference: its colors are guessed.")
        clip = AniDocClip(self._fingerprint, self.canvas.size, count, spans, chosen, self._show_figure, self._build_condition)
        return AniDocRenderer(self.context, self.loader.load_pipeline, clip)

    def _plan_between_keys(self) -> list[range]:
        """A window from each key to the next."""
        keys = [number for number, drawing in enumerate(self.order) if drawing in self.lined]
        if len(keys) < 2 or keys[-1] != len(self.order) - 1:
            raise BadInput("AniDoc makes what lies between two keys that differ: give a last one, or make loops with another model.")
        longest = max(after - before - 1 for before, after in itertools.pairwise(keys))
        if longest > MOST - 2:
            raise BadInput(f"AniDoc makes {MOST - 2} drawings between two keys at most, not {longest}: draw a key between them.")
        if any(self.job.drawing(drawing).guide is not None for drawing in self.order):
            self.context.warn("AniDoc follows no sketches between keys: give them as keys, or choose another model.")
        return [range(before, after + 1) for before, after in itertools.pairwise(keys)]

    def _choose_figure(self, span: range) -> int:
        """The index of a window's reference figure: the one in which most of its first drawing is found."""
        return int(np.argmax([fit.share for fit in self.match_drawing(self.order[span.start]).fits]))

    def _show_figure(self, which: int) -> np.ndarray:
        """The network's input picture of a figure, uint8 (H, W, 3)."""
        pixels = self.palette_and_figures[1][which].pixels
        return _fit_whole(pixels, self.canvas.size).fit_picture(pixels)

    # --- conditions ---

    @functools.cached_property
    def _dift(self) -> DiftMatcher | None:
        """The matcher by features of a Stable Diffusion model, if the option is set. Raises BadInput, JobFailed."""
        folder = str(self.job.options["dift"])
        return DiftMatcher(Path(folder).expanduser(), self.loader.choose_device(), self.job.seed) if folder else None

    def _view_drawing(self, drawing: str) -> FeatureView:
        shapes = self.store.describe_drawing(drawing)[0]
        return FeatureView.from_shapes(shapes, embedding.load_matcher().dense(shapes), self.job.size[0])

    def _place_in_time(self, span: range) -> list[float]:
        """The places in time of a window's drawings between its keys."""
        return [0.0, *(self.job.drawing(self.order[i]).at for i in span[1:-1]), 1.0]

    def _build_condition(self, span: range, which: int, sparse: bool) -> torch.Tensor:
        """The condition of a window, float32 (1, F, 8 or 9, H, W), for the network of the sparse stage or of the dense one."""
        swatches, known = self.palette_and_figures
        drawn = [self.order[i] for i in span if self.order[i] in self.lined]
        matches = [self.match_drawing(drawing) for drawing in drawn]
        figure, views = known[which], [self.view_drawing(drawing) for drawing in drawn]
        shown = FeatureView.from_shapes(figure.shapes, figure.dense, figure.pixels.shape[1])
        begin = correspondence.start_tracks(matches[0].fits[which], figure, swatches[:, 3] == 0, shown, views[0])
        if self._dift is not None:
            begin = self._dift.start_tracks(begin, figure, views[0], matches[0].unpack_lines(self.job.size))
        tracks = correspondence.follow_tracks(begin, views, [match.forth for match in matches[1:]])  # type: ignore[arg-type]
        reference = _fit_whole(figure.pixels, self.canvas.size).map_points(tracks.reference)
        tracks = correspondence.Tracks(reference, self.canvas.map_points(tracks.tracks), tracks.visible)
        if sparse:
            tracks = correspondence.straighten_tracks(tracks, self._place_in_time(span))
        most = points.SPARSE_TRACKS if sparse else points.TRACKS
        tracks = correspondence.select_tracks(tracks, str(self.job.options["points"]), self.job.seed + span.start, most)
        sketches = np.stack([canvases.binarize_lines(match.unpack_lines(self.job.size), self.canvas) for match in matches])
        if sparse:
            return condition.build_sparse_condition(sketches[0], sketches[-1], len(span), self._show_figure(which), tracks)
        return condition.build_condition(sketches, self._show_figure(which), tracks)


def _fit_whole(pixels: np.ndarray, size: tuple[int, int]) -> canvases.Canvas:
    """Fit a whole figure into the middle of the network's pictures of `size` (width, height)."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    return canvases.Canvas(size, (0, 0, width, height), scale, corner)
