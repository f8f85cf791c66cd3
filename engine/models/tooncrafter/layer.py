"""A cel of a job that ToonCrafter paints: its keys, the line art that guides drawings, and the finishing of the networks' pictures."""

import functools
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from ...diffusion import canvas as canvases
from ...diffusion.adapter import PipelineLoader
from ...drawing.colors import paint, palette, reference, snap
from ...job.errors import BadInput
from ...job.files import compute_digest
from ...matching import embedding
from ...pictures.context import JobContext
from ...pictures.drawings import DrawingStore
from ...pictures.figure_match import match_drawing, match_key
from ...pictures.figures import Cutout, Figure, cut_whole, describe_cutouts
from ...pictures.layer import Counts
from .clip import ClipTree, ToonCrafterRenderer
from .pipeline import ToonCrafterPipeline
from .plan import COARSE, BetweenDrawing, ToonCrafterClip, plan_clips
from .weights import ToonCrafterNetworks

AROUND = 0.12  # margin around the content of cut-out keys, as a fraction of its longer side, for motion beyond both
SHORTER = 5 / 8  # the least ratio of the sides of the network's pictures: it was trained on 512 x 320
ALIKE = 0.1  # keys of one shot have at least this share of colors in common
DENOISING = ("prompt", "steps", "guidance", "fps", "side")  # options that the latents depend on
FINISHING = ("snap", "nearest", "lines", "gap")  # options of the finishing of frames


class ToonCrafterLayer:
    """A layer of ToonCrafter. `clips` are the clips from which its drawings are taken."""

    def __init__(
        self,
        context: JobContext,
        store: DrawingStore,
        number: int,
        loader: PipelineLoader[ToonCrafterNetworks, ToonCrafterPipeline],
        report_clips: Callable[[int, float], None],
    ) -> None:
        """`report_clips` gets the number of a layer and how many of its clips are denoised."""
        self.context, self.store, self.number, self.loader, self.job = context, store, number, loader, context.job
        shown = [self.job.drawing(d) for e in self.job.frames if (d := e.drawings[number]) is not None]
        self.order = [d for before, d in zip([None, *shown], shown, strict=False) if d != before]
        self.clips: Sequence[ToonCrafterClip] = plan_clips(
            [BetweenDrawing(d.id, d.at, d.guide) if d.kind == "between" else d.id for d in self.order]
        )
        self.keys = list(dict.fromkeys(d.id for d in self.order if d.kind != "between"))
        self.guides = sorted({guide for clip in self.clips for guide in clip.guides.values()})
        self.figures_fingerprint = compute_digest(embedding.REVISION, self.job.options["gap"], list(self.job.size), self.keys)
        self.warn_person = functools.cache(self._warn_person)
        self._report_clips = functools.partial(report_clips, number)

    # --- input ---

    @functools.cached_property
    def given(self) -> Mapping[str, np.ndarray]:
        """The unchanged keys, uint8 (H, W, 4). Raises BadInput."""
        found = {}
        for drawing in map(self.job.drawing, self.keys):
            if drawing.kind != "painted":
                sketch = self.store.read_sketch(drawing.id)
                if not sketch.lines.any():
                    frame = next(e.frame for e in self.job.frames if drawing.id in e.drawings)
                    raise BadInput(f"The key at frame {frame} is empty: draw something there, or choose other keys.")
                found[drawing.id] = sketch.paint
                continue
            picture = reference.read_reference(self.context.folder / drawing.file, drawing.name, self.job.size)
            for warning in picture.warnings:
                self.context.warn(warning)
            found[drawing.id] = fit_key(picture.pixels, self.job.size)
        return found

    @functools.cached_property
    def cut_out(self) -> bool:
        """Whether the figures of the keys are cut out of their background."""
        return any((picture[..., 3] < 128).any() for picture in self.given.values())

    @property
    def line_art(self) -> bool:
        """Whether the keys are line art. Only the ink of their frames is kept."""
        return all(self.job.drawing(drawing).kind != "painted" for drawing in self.keys)

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        """How the shot is fitted into the network's pictures: whole, or cropped to the content of cut-out keys."""
        width, height = self.job.size
        box = (0, 0, width, height)
        if self.cut_out:
            masks = [picture[..., 3] > 0 for picture in self.given.values()]
            masks += [self.store.read_sketch(guide).lines for guide in self.guides]
            x, y, wide, high = canvases.bound_content(masks, self.job.size)
            more = round(AROUND * max(wide, high))
            left, top = max(0, x - more), max(0, y - more)
            box = (left, top, min(width, x + wide + more) - left, min(height, y + high + more) - top)
        side = int(str(self.job.options["side"]))
        return canvases.fit_canvas(box, side, max(canvases.STEP, round(side * SHORTER / canvases.STEP) * canvases.STEP))

    def show_key(self, drawing: str) -> np.ndarray:
        """The networks' input picture of a key, uint8 (H, W, 3): on white if its figure is cut out."""
        picture = self.given[drawing]
        white = paint.composite_over(np.full_like(picture, 255), picture)[..., :3]
        return self.canvas.fit_picture(white, 255 if self.cut_out else None)

    def draw_lines(self, guide: str) -> np.ndarray:
        """The sketch encoder's input for line art, float32 (H, W), 1 on lines. Thin lines survive downscaling."""
        share = self.canvas.fit_picture(self.store.read_sketch(guide).lines.astype(np.float32), 0.0)
        return (share > min(0.25, 0.4 * self.canvas.scale)).astype(np.float32)

    @functools.cached_property
    def renderer(self) -> ToonCrafterRenderer:
        options = {name: self.job.options[name] for name in DENOISING}
        ways = [self.cut_out, self.canvas.size, self.canvas.box]
        fingerprint = compute_digest(self.loader.weights_fingerprint, options, list(self.job.size), self.job.seed, ways)
        tree = ClipTree(fingerprint, self.canvas.size, self.clips, self.show_key, self.draw_lines, self._report_clips)
        return ToonCrafterRenderer(self.context, self.loader.load_pipeline, tree)

    def _warn_person(self) -> None:
        """Warn of everything that the user should check. Raises BadInput."""
        named = self.job.cels[self.number].name
        if self.job.cels[self.number].references:
            self.context.warn(
                f"ToonCrafter makes what lies between the keys of {named} as they are painted: its references say nothing to it."
            )
        if any(not 0.0 <= d.at <= 1.0 for d in self.order if d.kind == "between"):
            self.context.warn(f"ToonCrafter does not go beyond a key: the overshoot in {named} stays before it.")
        if any(clip.off > COARSE for clip in self.clips):
            self.context.warn(f"ToonCrafter's sixteen frames are too coarse for the timing of {named}: some drawings lie off their places.")
        made = {drawing for clip in self.clips for drawing in clip.kept.values()}
        if any(made & {clip.first, clip.last} for clip in self.clips):
            self.context.warn(
                f"More than fourteen drawings lie between two keys of {named}: some are made between drawings that are made themselves."
            )
        for clip in self.clips:
            if not made & {clip.first, clip.last} and self._compare_colors(clip.first, clip.last) < ALIKE:
                self.context.warn(
                    f"Two keys of {named} have hardly a color in common: if the camera cuts between them, make them two shots."
                )

    def _compare_colors(self, one: str, other: str) -> float:
        """The share of colors that two keys have in common, 0..1."""
        shares = []
        for drawing in (one, other):
            small = cv2.resize(self.show_key(drawing), (64, 64), interpolation=cv2.INTER_NEAREST)
            color_index = (small // 32).astype(int) @ np.array([64, 8, 1])
            shares.append(np.bincount(color_index.ravel(), minlength=512) / color_index.size)
        return float(np.minimum(*shares).sum())

    # --- output ---

    def cache_key(self, drawing: str) -> str:
        target = self.job.drawing(drawing)
        if target.kind != "between":
            return drawing
        options = {name: self.job.options[name] for name in FINISHING}
        return compute_digest(*self.renderer.fingerprint_drawing(drawing), options, target.guide, self.keys)

    def cache_keys(self) -> list[str]:
        guides = [key for d in self.guides for key in (match_key(self.figures_fingerprint, d, None), *self.store.cache_keys(d))]
        return [*(self.renderer.cache_keys() if self.clips else []), *guides]

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        """A drawing's picture, uint8 (H, W, 4), and the number of its regions if it follows line art."""
        self.loader.choose_device()  # fails early, before anything is computed, if there is none
        target = self.job.drawing(drawing)
        if target.kind != "between":
            return self.given[drawing], Counts()
        self.warn_person()
        frame = self.canvas.put_back(self.renderer.render_drawing(drawing), self.job.size)
        if target.guide is not None and self.job.options["snap"] and not self.line_art:
            return self._snap_frame(frame, target.guide)
        if self.job.options["nearest"] and not self.line_art:
            frame = self._match_swatches(frame)
        if self.line_art:
            return extract_ink(frame), Counts()
        return paint.remove_paper(frame) if self.cut_out else paint.make_opaque(frame), Counts()

    @functools.cached_property
    def _cutouts(self) -> list[Cutout]:
        return [cut_whole(picture, "auto" if self.cut_out else "keep") for picture in self.given.values()]

    @functools.cached_property
    def _palette_and_figures(self) -> tuple[np.ndarray, list[Figure]]:
        """The swatches of the keys, uint8 (P, 4), and the keys as figures for the matcher."""
        return describe_cutouts(self._cutouts)

    def _snap_frame(self, frame: np.ndarray, guide: str) -> tuple[np.ndarray, Counts]:
        """Paint each region of the line art with the swatch that is nearest to its paint and likely by the matcher, with the lines on
        top."""
        pixels, swatches = self.store.load_pixels(guide), self._palette_and_figures[0]
        match = match_drawing(self.store, guide, None, self.figures_fingerprint, lambda: self._palette_and_figures)
        probs, grown = match.reference_probs, pixels["grown"].astype(np.int32)
        swatch, _ = snap.snap_to_swatches(frame, grown, match.unpack_lines(self.job.size), len(probs) - 1, swatches, probs[:, :-1])
        picture = paint.compose_picture(grown, swatches[swatch], pixels["paint"], pixels["traces"], bool(self.job.options["lines"]))
        return picture, Counts(self.store.analyze(guide).count)

    def _match_swatches(self, frame: np.ndarray) -> np.ndarray:
        """Paint each pixel in the nearest color of the keys, including that of their lines."""
        swatches = palette.merge_palettes([cutout.painted for cutout in self._cutouts])[0]
        inked = [cutout.pixels[cutout.painted.lines] for cutout in self._cutouts]
        lines = [np.median(np.concatenate(inked), axis=0)] if any(len(pixels) for pixels in inked) else []
        colors = np.array([*np.where(swatches[:, 3:] > 0, swatches[:, :3], 255), *lines]).astype(np.uint8)
        known, back = np.unique(frame.reshape(-1, 3), axis=0, return_inverse=True)
        wanted = palette.convert_to_lab(colors)
        parts = np.array_split(palette.convert_to_lab(known), 1 + len(known) // 65536)
        near = [((part[:, None] - wanted[None]) ** 2).sum(axis=2).argmin(axis=1) for part in parts]
        return colors[np.concatenate(near)][back.ravel()].reshape(frame.shape)


def fit_key(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fit a key uint8 (H, W, 4) of any size into `size` (width, height), whole and undistorted, with transparent borders."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    inner = tuple(max(1, min(whole, round(side * scale))) for whole, side in zip(size, (width, height), strict=True))
    result = np.zeros((size[1], size[0], 4), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    result[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_NEAREST)
    return result


def extract_ink(frame: np.ndarray) -> np.ndarray:
    """The ink of a frame uint8 (H, W, 3) on white, as uint8 (H, W, 4) without the white."""
    alpha = 255 - frame.min(axis=2, keepdims=True).astype(np.float32)
    color = (frame - (255.0 - alpha)) * 255.0 / np.maximum(alpha, 1.0)
    return np.dstack([np.clip(color + 0.5, 0, 255), alpha]).astype(np.uint8)
