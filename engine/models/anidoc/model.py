"""AniDoc as a model of the engine: a job in, pictures out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ... import job as jobs
from ... import weights as store
from ...colors import paint, png, reference, snap
from ...diffusion import device as devices
from ...diffusion import memory
from ...diffusion.sampling import noise
from ...diffusion.windows import windows
from ...errors import BadInput, Cancelled, JobFailed
from ...job import Job
from ...messages import Event, Progress, Warned
from .. import Picture
from . import canvas as canvases
from . import condition, correspondence, needs, points, reading, sampler
from .canvas import Canvas
from .nets import FILES, Nets, find
from .nets import load as load_nets
from .presets import PRESETS
from .references import Figure, figures

REVISION = "1"  # of the pictures; raise it when their pixels change
STAGES = {"Reading drawings": 0.08, "Loading the model": 0.07, "Denoising": 0.75, "Decoding": 0.05, "Painting": 0.05}
SMALL = 50_000_000  # parameters; a network with no more of them runs on a processor in reasonable time


class AniDoc:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run:
    """One run of a job."""

    def __init__(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool], device: str) -> None:
        self.job, self.folder = job, folder
        self._on_event, self.should_cancel, self._wanted = on_event, should_cancel, device
        self._weights = Path(str(job.options["weights"])).expanduser() if job.options["weights"] else store.folder("anidoc")
        self._options = {name: value for name, value in job.options.items() if name not in ("weights", "memory")}
        self._nets: Nets | None = None
        self._done = 0.0

    # --- helpers of the stages ---

    def warn(self, text: str) -> None:
        self._on_event(Warned(str(self.folder), text))

    def progress(self, stage: str, part: float) -> None:
        before = sum(share for name, share in list(STAGES.items())[: list(STAGES).index(stage)])
        self._done = max(self._done, min(1.0, before + STAGES[stage] * part))
        self._on_event(Progress(str(self.folder), stage, self._done))

    def check(self) -> None:
        if self.should_cancel():
            raise Cancelled("The job was cancelled; finished pictures stay.")

    # --- stages ---

    def pictures(self) -> Iterator[Picture]:
        wanted = jobs.pictures(self.job)
        keys = {cel: self._key(cel) for cel in range(len(self.job.cels))}
        key = jobs.digest(REVISION, self._options, [keys[cel] for cel in keys])
        begun = time.monotonic()
        cels: dict[int, Cel] = {}
        for done, (ids, file) in enumerate(wanted.items(), 1):
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            if png.read_key(self.folder / file) == jobs.digest(key, list(ids)):
                yield Picture(frame, file, reused=True)
                continue
            if not cels:  # what is still right needs no network
                cels = {cel: Cel(self, cel, keys[cel]) for cel in range(len(self.job.cels))}
            self.check()
            picture, regions = self._compose(ids, cels)
            png.write(self.folder / file, picture, jobs.digest(key, list(ids)))
            self.progress("Painting", done / len(wanted))
            yield Picture(frame, file, regions=regions, seconds=(time.monotonic() - begun))
            begun = time.monotonic()

    def _key(self, cel: int) -> str:
        """What the frames of a cel depend on: all its drawings, because they are painted together."""
        files = [find(self._weights, name) for name in FILES]
        stats = [[path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        references = [ref.sha256 for ref in self.job.cels[cel].references]
        return jobs.digest(REVISION, self._options, list(self.job.size), self.job.seed, self.drawings(cel), references, stats)

    def drawings(self, cel: int) -> list[str]:
        """The drawings of a cel in the order of their first appearance: what is held or comes again is painted once."""
        return list(dict.fromkeys(e.drawings[cel] for e in self.job.frames if e.drawings[cel] is not None))  # type: ignore[misc]

    def nets(self) -> Nets:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        if self._nets is None:
            self.device = devices.choose(self._wanted)
            if self.device.type == "cpu" and self._wanted == "auto" and find(self._weights, "unet").stat().st_size > 4 * SMALL:
                raise JobFailed(f"{devices.why_no_cuda()}; or choose the model Flats, which needs no graphics card.")
            self.progress("Loading the model", 0.0)
            nets = load_nets(self._weights, devices.numbers(self.device), lambda name, part: self.progress("Loading the model", part))
            if nets.note:
                self.warn(nets.note)
            if nets.sparse:
                self.warn("These weights are of the sparse stage, which was never published: only the ends of each window are looked at.")
            needs.prepare(nets)
            self._nets = nets
        return self._nets

    def _compose(self, ids: tuple[str | None, ...], cels: dict[int, "Cel"]) -> tuple[np.ndarray, int]:
        width, height = self.job.size
        picture, count = np.zeros((height, width, 4), np.uint8), 0
        for number, drawing in enumerate(ids):
            if drawing is not None:
                layer, regions = cels[number].layer(drawing)
                picture, count = paint.over(picture, layer), count + regions
        return picture, count


class Cel:
    """A cel's drawings, painted by the networks: `frames` are their pictures, made when the cel is."""

    def __init__(self, run: Run, number: int, key: str) -> None:
        self.run, self.job = run, run.job
        self.order = run.drawings(number)
        self.figures = self._figures(number)
        self.read: dict[str, reading.Read] = {}
        self.frames: dict[str, np.ndarray] = {}
        self.figure_of: dict[str, int] = {}
        if self.order:
            self.canvas = self._read()
            self._paint(key)

    def layer(self, drawing: str) -> tuple[np.ndarray, int]:
        """A drawing's picture uint8 (H, W, 4) and the number of its regions."""
        options = self.job.options
        sketch, regions = reading.open_drawing(self.job, self.job.drawing(drawing), self.run.folder)
        which = self.figure_of[drawing]
        figure, fit = self.figures[which], self.read[drawing].fits[which]
        frame = self.canvas.put_back(self.frames[drawing], self.job.size)
        clear = figure.swatches[:, 3] == 0
        if options["snap"]:
            swatch, _ = snap.snap(frame, regions.grown, sketch.lines, regions.count, figure.swatches, fit.swatch)
            colors = np.concatenate([figure.swatches, np.zeros((1, 4), np.uint8)])[swatch]
            return paint.compose(regions.grown, colors, sketch.paint, sketch.traces, bool(options["lines"])), regions.count
        outside = fit.swatch[:, clear].sum(axis=1) > 0.5
        colors = np.zeros((regions.count + 1, 4), np.uint8)
        opaque = np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
        texture = (opaque, ~outside)
        return paint.compose(regions.grown, colors, sketch.paint, sketch.traces, bool(options["lines"]), texture), regions.count

    # --- reading ---

    def _figures(self, number: int) -> list[Figure]:
        found: list[Figure] = []
        for ref in self.job.cels[number].references:
            picture = reference.read(self.run.folder / ref.file, ref.name)
            for text in picture.warnings:
                self.run.warn(text)
            found += figures(picture.pixels, str(self.job.options["background"]))
        if not found and self.order:
            raise BadInput(f"The cel {self.job.cels[number].name} has no reference: choose a colored picture of it.")
        return found

    def _read(self) -> Canvas:
        before = None
        for done, drawing in enumerate(self.order):
            self.run.check()
            self.run.progress("Reading drawings", done / len(self.order))
            self.read[drawing], before = reading.read(self.job, self.job.drawing(drawing), self.run.folder, self.figures, before)
        box = canvases.content((self.read[drawing].sketch(self.job.size) for drawing in self.order), self.job.size)
        return canvases.fit(box, int(self.job.options["side"]))  # type: ignore[call-overload]

    # --- painting ---

    def _paint(self, key: str) -> None:
        run, options, size = self.run, self.job.options, self.canvas.size
        nets = run.nets()
        length, overlap = int(options["window"]), int(options["overlap"])  # type: ignore[call-overload]
        spans = windows(len(self.order), length, min(overlap, length - 1))
        chosen = [self._figure(span) for span in spans]
        for span, which in zip(spans, chosen, strict=True):
            self.figure_of |= {self.order[i]: which for i in span}
        settings = PRESETS[str(options["preset"])]
        settings = replace(settings, order=str(options["context_order"]))
        plan, settings = needs.plan(nets, size, len(spans[0]), settings, run.device, str(options["memory"]))
        placement = memory.Placement(plan.mode, run.device, nets.all)
        shape = (1, len(self.order), nets.unet.config["out_channels"], size[1] // 8, size[0] // 8)
        try:
            encoded = self._encode(nets, placement, sorted(set(chosen)))
            parts = [
                sampler.Window(span, encoded[which], lambda span=span, which=which: self._condition(nets, span, which))
                for span, which in zip(spans, chosen, strict=True)
            ]
            with placement.on(nets.unet, nets.controlnet):
                latents = sampler.sample(
                    nets,
                    parts,
                    noise(shape, self.job.seed + 1),
                    settings,
                    run.device,
                    lambda done, count: run.progress("Denoising", done / count),
                    run.should_cancel,
                )
            with placement.on(nets.vae):
                self._decode(nets, latents, plan.chunk)
        except torch.OutOfMemoryError as error:
            raise JobFailed(needs.advice(plan, size, len(spans[0]))) from error

    def _figure(self, span: range) -> int:
        """Which figure a window is painted after: that in which most of its first drawing is found."""
        shares = [fit.share for fit in self.read[self.order[span.start]].fits]
        return int(np.argmax(shares))

    def _encode(self, nets: Nets, placement: memory.Placement, chosen: Sequence[int]) -> dict[int, sampler.Encoded]:
        encoded = {}
        for which in chosen:
            self.run.check()
            picture = torch.from_numpy(self._shown(which)).permute(2, 0, 1)[None].float() / 255.0
            with placement.on(nets.image_encoder, nets.vae):
                token = sampler.encode_token(nets, picture)
                latent = sampler.encode_latent(nets, picture, noise(tuple(picture.shape), self.job.seed))
            encoded[which] = sampler.Encoded(token, latent)
        return encoded

    def _shown(self, which: int) -> np.ndarray:
        """A figure as the network sees it, uint8 (H, W, 3)."""
        figure = self.figures[which]
        return figure.canvas(self.canvas.size).show(figure.pixels)

    def _condition(self, nets: Nets, span: range, which: int) -> torch.Tensor:
        drawings = [self.read[self.order[i]] for i in span]
        figure = self.figures[which]
        found = figure.canvas(self.canvas.size).to(correspondence.deepest(figure.shapes, figure.pixels.shape[1]))
        places = [self.canvas.to(drawing.deepest) for drawing in drawings]
        links = [drawing.link for drawing in drawings[1:]]
        tracks = correspondence.follow(drawings[0].fits[which], figure, found, places, links)  # type: ignore[arg-type]
        most = points.SPARSE_TRACKS if nets.sparse else points.TRACKS
        tracks = correspondence.select(tracks, str(self.job.options["points"]), self.job.seed + span.start, most)
        if drawings[0].fits[which].share < 0.1:
            self.run.warn(f"Hardly anything of the drawing at {span.start + 1} is found in the reference: its colors are guessed.")
        ends = drawings if not nets.sparse else [drawings[0], drawings[-1]]
        sketches = np.stack([reading.binarized(drawing.sketch(self.job.size), self.canvas) for drawing in ends])
        if nets.sparse:
            return condition.sparse_condition(sketches[0], sketches[-1], len(span), self._shown(which), tracks)
        return condition.condition(sketches, self._shown(which), tracks)

    def _decode(self, nets: Nets, latents: torch.Tensor, chunk: int) -> None:
        done = 0
        for frames in sampler.decode_frames(nets, latents, chunk):
            self.run.check()
            for frame in frames.numpy():
                self.frames[self.order[done]] = reading.to_uint8(frame)
                done += 1
            self.run.progress("Decoding", done / len(self.order))
