"""A cel of a job that Animate Anyone paints: a figure in all its poses, snapped to exact swatches."""

import functools
import zlib
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import cv2
import numpy as np

from ...diffusion.adapter import PipelineLoader
from ...drawing.colors import reference
from ...job import Reference
from ...job.errors import BadInput
from ...job.files import compute_digest, write_atomic
from ...job.pose import Pose, read_pose
from ...pictures.cache import file_holds, pack_arrays
from ...pictures.context import JobContext
from ...pictures.layer import Counts
from . import alignment, figure, finish, framing, pose_image
from .clip import AnimateAnyoneClip, AnimateAnyoneRenderer
from .networks import AnimateAnyoneNetworks
from .pipeline import AnimateAnyonePipeline, plan_windows, resize_picture

LEARNED = 7.5  # drawings per second in training: every 4th frame of 30 fps films
DENSE = 1.6  # times as many drawings per second give a warning


class AnimateAnyoneLayer:
    """A layer of Animate Anyone. `order` its drawings in order of first appearance: a drawing that is held or returns is painted once.
    `shown` are those in which part of the figure is visible. All frames are painted together, and have one fingerprint."""

    def __init__(
        self,
        context: JobContext,
        number: int,
        loader: PipelineLoader[AnimateAnyoneNetworks, AnimateAnyonePipeline],
        network_options: Mapping[str, object],
    ) -> None:
        """`network_options` are the job's options that affect the output of the networks. Raises BadInput when weights are missing or a
        drawing is not a pose."""
        self.context, self.number, self.loader, self.job = context, number, loader, context.job
        self.order = [d for d in dict.fromkeys(e.drawings[number] for e in self.job.frames) if d is not None]
        given = [[ref.sha256, ref.pose] for ref in self.job.cels[number].references]
        self._fingerprint = compute_digest(
            loader.weights_fingerprint, network_options, list(self.job.size), self.job.seed, self.order, given
        )
        for drawing in map(self.job.drawing, self.order):
            if drawing.kind not in ("pose", "raster"):
                raise BadInput(f"Animate Anyone is given poses, and the drawing {drawing.id} is of the kind '{drawing.kind}'.")

    # --- reading ---

    @functools.cached_property
    def figure(self) -> figure.ReferenceFigure:
        """The figure of the first reference. Raises BadInput."""
        cel, given = self.job.cels[self.number], self._reference
        picture = reference.read_reference(self.context.folder / given.file, given.name)
        for text in picture.warnings:
            self.context.warn(text)
        if len(cel.references) > 1:
            self.context.warn(f"{cel.name} has several references: poses are painted after the first one, {given.name}.")
        found = figure.find_figure(picture.pixels, str(self.job.options["background"]), given.name)
        if found.ground is None:
            self.context.warn(f"The background of {given.name} could not be removed, so the frames have one: give a picture on even paper.")
        return found

    @property
    def _reference(self) -> Reference:
        """The first reference. Raises BadInput."""
        cel = self.job.cels[self.number]
        if not cel.references:
            raise BadInput(f"The cel {cel.name} has no reference: choose a colored picture of the character.")
        return cel.references[0]

    @functools.cached_property
    def _unaligned_poses(self) -> dict[str, Pose | None]:
        """The pose of every drawing, or None if it is a picture of a pose. Raises BadInput, Cancelled."""
        found: dict[str, Pose | None] = {}
        for done, name in enumerate(self.order):
            self.context.check()
            self.context.progress("Reading poses", done / len(self.order))
            drawing = self.job.drawing(name)
            found[name] = read_pose(self.context.folder / drawing.file)[0] if drawing.kind == "pose" else None
        return found

    def _read_picture(self, name: str) -> np.ndarray:
        """The picture of a pose, uint8 (H, W, 3) of the shot's size. Raises BadInput."""
        drawing = self.job.drawing(name)
        pixels = np.ascontiguousarray(
            reference.read_reference(self.context.folder / drawing.file, drawing.name, self.job.size).pixels[..., :3]
        )
        return pixels if pixels.shape[1::-1] == self.job.size else cv2.resize(pixels, self.job.size, interpolation=cv2.INTER_AREA)

    @functools.cached_property
    def _marked_pose(self) -> Pose | None:
        """The joints that are marked in the reference, if there are any."""
        file = self._reference.pose
        return read_pose(self.context.folder / file)[0] if file else None

    @functools.cached_property
    def _alignment(self) -> alignment.PoseAlignment | None:
        poses = [pose for pose in self._unaligned_poses.values() if pose is not None]
        return alignment.fit_alignment(self._marked_pose, poses) if self._marked_pose and poses else None

    @functools.cached_property
    def poses(self) -> dict[str, Pose | None]:
        """The pose of every drawing as the network gets it: with the drawing's proportions, if the option is on."""
        if self._alignment is None or not self.job.options["align"]:
            return self._unaligned_poses
        return {name: pose and self._alignment.align_pose(pose) for name, pose in self._unaligned_poses.items()}

    def _find_extent(self, name: str) -> np.ndarray | None:
        """x0, y0, x1, y1 of a drawing's figure in the shot's pictures, or None when all of it is outside."""
        pose = self.poses[name]
        if pose is not None:
            inside = any(0 <= x < self.job.size[0] and 0 <= y < self.job.size[1] for x, y in pose.seen)
            return framing.find_extent(pose, self._beyond) if inside else None
        x, y, width, height = cv2.boundingRect((self._read_picture(name).max(axis=2) > 16).astype(np.uint8))
        return np.array([x, y, x + width, y + height], float) if width else None

    @functools.cached_property
    def _beyond(self) -> np.ndarray:
        """How far the figure extends beyond its joints: left, top, right, bottom in pixels of the shot. 0 without marked joints."""
        if self._alignment is None or self._marked_pose is None or not self._marked_pose.seen:
            return np.zeros(4)
        joints, (x, y, width, height) = np.array(self._marked_pose.seen), self.figure.box
        outer = np.concatenate([joints.min(axis=0) - (x, y), (x + width, y + height) - joints.max(axis=0)])
        return np.maximum(outer, 0.0) * self._alignment.scale

    @functools.cached_property
    def _boxes(self) -> dict[str, np.ndarray]:
        boxes = {name: self._find_extent(name) for name in self.order}
        return {name: box for name, box in boxes.items() if box is not None}

    @functools.cached_property
    def shown(self) -> list[str]:
        return [name for name in self.order if name in self._boxes]

    # --- painting ---

    @functools.cached_property
    def framing(self) -> framing.Framing:
        boxes = np.stack([self._boxes[name] for name in self.shown])
        whole = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        return framing.frame_box(whole, self.job.size, int(str(self.job.options["side"])))

    @functools.cached_property
    def renderer(self) -> AnimateAnyoneRenderer:
        options: Any = self.job.options
        count, length = len(self.shown), options["window"]
        self._warn_of_spacing()
        windows = plan_windows(count, length, min(options["overlap"], length - 1), options["cyclic"], options["stride"])
        drawn: dict[int, bytes] = {}

        def draw_poses(frames: Sequence[int]) -> np.ndarray:
            for frame in frames:
                if frame not in drawn:
                    drawn[frame] = zlib.compress(self._draw_pose(self.shown[frame]).tobytes(), 1)
            shape = (len(frames), self.framing.size[1], self.framing.size[0], 3)
            return np.frombuffer(b"".join(zlib.decompress(drawn[frame]) for frame in frames), np.uint8).reshape(shape)

        clip = AnimateAnyoneClip(self._fingerprint, self.framing.size, count, windows, self._show_reference, draw_poses)
        return AnimateAnyoneRenderer(self.context, self.loader.load_pipeline, clip)

    def _draw_pose(self, name: str) -> np.ndarray:
        """The network's input picture of a pose, uint8 (H, W, 3): drawn as in training, then resized."""
        pose, size = self.poses[name], self.framing.size
        if pose is None:
            return self.framing.show_picture(self._read_picture(name))
        return resize_picture(pose_image.draw_training_pose(pose.map_points(self.framing.map_point), size), size)

    def _show_reference(self) -> np.ndarray:
        """The network's input picture of the reference, uint8 (H, W, 3), with the figure at its size and place in the shot."""
        x, y, width, height = self.figure.box
        if self._alignment is not None and self._marked_pose is not None:
            scale = self._alignment.scale
            at = alignment.place_reference(self._marked_pose, [pose for pose in self.poses.values() if pose is not None], scale)
        else:  # its feet are at the median place of those of the poses
            boxes = np.stack([self._boxes[name] for name in self.shown])
            scale = float(np.quantile(boxes[:, 3] - boxes[:, 1], 0.9)) / height
            foot = np.median((boxes[:, 0] + boxes[:, 2]) / 2.0), np.median(boxes[:, 3])
            at = float(foot[0] - scale * (x + width / 2.0)), float(foot[1] - scale * (y + height))
        return figure.lay_on_ground(self.figure, self.framing.size, scale * self.framing.scale, self.framing.map_point(at))

    def _warn_of_spacing(self) -> None:
        """Warn when drawings are closer in time than in training, as on ones."""
        pace = self.job.fps / mean(exposure.exposure for exposure in self.job.frames)
        if len(self.shown) > 2 and pace > DENSE * LEARNED:
            self.context.warn(
                f"There are {pace:.3g} poses a second and the networks learned from {LEARNED:.3g}: try poses on twos or threes."
            )

    # --- frames ---

    def cache_key(self, drawing: str) -> list:
        return [self._fingerprint, drawing, self.job.options["clean"]]

    def cache_keys(self) -> list[str]:
        return [f"{AnimateAnyoneRenderer.CACHE_NAME}-{self._fingerprint[:24]}"]

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        """A drawing's picture, uint8 (H, W, 4), and the number of its patches of paint, which are written to regions/<id>.npz."""
        self.loader.choose_device()  # fails early, before anything is read, if there is none
        if drawing not in self.shown:
            return np.zeros((self.job.size[1], self.job.size[0], 4), np.uint8), Counts()
        found, options = self.figure, self.job.options
        frame = self.framing.enlarge_frame(self.renderer.render_frame(self.shown.index(drawing)))
        cut = finish.cut_frame(frame, found.swatches, found.ground, found.apart, bool(options["clean"]))
        self._write_regions_file(drawing, cut)
        if options["snap"]:
            picture = finish.compose_snapped(cut, found.swatches, bool(options["lines"]))
        else:
            picture = finish.compose_painted(frame, cut, found.ground)
        return self.framing.put_back(picture, self.job.size), Counts(len(cut.swatch) - 1)

    def _write_regions_file(self, drawing: str, cut: finish.CutFrame) -> None:
        """Write regions/<id>.npz, unless it has the same content already. The part that the networks did not paint is one more region."""
        rest = len(cut.swatch)
        labels = self.framing.put_back(cut.regions[..., None], self.job.size)[..., 0]
        labels[labels == 0] = rest
        none: dict[str, np.ndarray] = {"leaks": np.zeros((0, 3), np.float32), "closures": np.zeros((0, 4), np.float32)}
        regions = {"swatches": self.figure.swatches, "swatch": np.append(cut.swatch, -1).astype(np.int32), **none}
        regions["confidence"] = np.append(cut.confidence, 1.0).astype(np.float32)
        path = self.context.folder / f"regions/{drawing}.npz"
        if not file_holds(path, regions):
            write_atomic(path, pack_arrays({"labels": labels, **regions}))
