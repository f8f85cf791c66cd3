"""The request to the engine: one job, in frozen dataclasses. Standard library only."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .errors import BadInput

SCHEMA = 1
TASKS = ("colorize", "inbetween", "animate")
KINDS = ("strokes", "raster", "painted", "between", "pose")
MAX_SIDE = 16384  # px; a picture of this side still fits OpenCV's and PNG's limits
MAX_FRAME = 1 << 20  # the limit of Blender's scenes


@dataclass(frozen=True)
class Reference:
    """A colored picture: a frame of the shot, or a sheet in any pose. `file` is relative to the job folder.

    `pose`, for the task animate, is a pose file (`engine.job.pose`) with the figure's joints in the reference's own pixels.
    """

    file: str
    sha256: str
    name: str = ""
    pose: str | None = None


@dataclass(frozen=True)
class Cel:
    """A group of drawings that are colored from the same references: a character, or the whole shot. Cels are stacked back to front."""

    name: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class Drawing:
    """One drawing of one cel as the camera sees it. `id` is a hash of its content: equal drawings are one drawing. Files are named by it,
    so it has at most 64 of the characters 0-9, a-z, _ and -.

    `kind`: line art as `strokes` or as a `raster` picture, or, for the task inbetween, a `painted` key, or a drawing `between` that is to
    be made. The `file` of the latter does not exist yet: a model that makes strokes writes them there, others do not create it. `at` is
    its place in time between the keys around it, 0 at the one before, 1 at the one after, outside for an overshoot. `guide` is the id of
    a drawing of line art that it follows. A `pose`, for the task animate, is a figure's joints.
    """

    id: str
    cel: int
    kind: str
    file: str
    name: str = ""
    at: float = 0.0
    guide: str | None = None


@dataclass(frozen=True)
class Exposure:
    """`exposure` consecutive scene frames, starting at `frame`, that show the same drawings.

    `drawings` has a drawing id for each cel of the job, back to front, or None if the cel is empty.
    """

    frame: int
    exposure: int
    drawings: tuple[str | None, ...]


@dataclass(frozen=True)
class FramePoint:
    """A point of the picture at scene frame `frame`: `point` x, y in pixels from its top left."""

    frame: int
    point: tuple[float, float]


@dataclass(frozen=True)
class Hint:
    """The user's correction of the region at a point of the picture at scene frame `frame`; see `FramePoint`.

    `swatch` is its color, '#rrggbb' or '#rrggbbaa', or None to leave it unpainted. With `same_as` it gets the color of the region there,
    and `swatch` is ignored. Of two hints for one region the later one counts.
    """

    frame: int
    point: tuple[float, float]
    swatch: str | None = None
    same_as: FramePoint | None = None

    @property
    def place(self) -> FramePoint:
        return FramePoint(self.frame, self.point)


@dataclass(frozen=True)
class StrokePair:
    """The user's pairing of stroke `a` of the key `first` with stroke `b` of the key `last`, indices from 0 in their strokes files."""

    first: str
    a: int
    last: str
    b: int


@dataclass(frozen=True)
class Picture:
    """A finished picture, yielded by a model.

    `frame` the scene frame at which it is first shown, `file` its path relative to the job folder, `reused` whether an earlier run
    made it, `regions` the number of its regions, of which `unknown` are left unpainted for doubt, `leaks` the number of wide gaps in its
    lines, `seconds` the time that it took.
    """

    frame: int
    file: str
    reused: bool = False
    regions: int = 0
    unknown: int = 0
    leaks: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """One request to the engine. Sizes are (width, height) in pixels. `options` are the model's own, see its model.toml."""

    task: str
    model: str
    size: tuple[int, int]
    cels: tuple[Cel, ...]
    drawings: tuple[Drawing, ...]
    frames: tuple[Exposure, ...]
    title: str = ""
    fps: float = 24.0
    seed: int = 0
    device: str = "auto"
    options: Mapping[str, object] = field(default_factory=dict)
    hints: tuple[Hint, ...] = ()
    pairs: tuple[StrokePair, ...] = ()
    schema: int = SCHEMA

    def drawing(self, drawing_id: str) -> Drawing:
        return next(d for d in self.drawings if d.id == drawing_id)

    def find_exposure(self, place: FramePoint) -> Exposure | str:
        """The exposure that is shown at a point, or the reason why there is none."""
        exposure = next((e for e in self.frames if e.frame <= place.frame < e.frame + e.exposure), None)
        if exposure is None:
            return f"frame {place.frame} is not in the shot"
        inside = all(0 <= at < side for at, side in zip(place.point, self.size, strict=True))
        return exposure if inside else "it lies outside the picture"


def format_frame_name(frame: int) -> str:
    """The file name of the picture that is first shown at scene frame `frame`: 12 -> '0012.png', -3 -> '-003.png'."""
    return f"{frame:04d}.png"


def list_pictures(job: Job) -> dict[tuple[str | None, ...], str]:
    """The distinct pictures of a job, in order of appearance: {drawings back to front: path relative to the folder}."""
    found: dict[tuple[str | None, ...], str] = {}
    for exposure in job.frames:
        found.setdefault(exposure.drawings, f"frames/{format_frame_name(exposure.frame)}")
    return found


def validate_job(job: Job) -> None:
    """Check what types can't express. Raises BadInput."""
    if job.task not in TASKS:
        raise BadInput(f"Unknown task '{job.task}': use one of {', '.join(TASKS)}.")
    width, height = job.size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise BadInput(f"A picture of {width} x {height} px can't be made: each side must lie between 1 and {MAX_SIDE}.")
    if not job.frames:
        raise BadInput("There is no frame to work on: choose a frame range that has drawings.")
    if not isinstance(job.options, Mapping):
        raise BadInput("The job's options are not a table: make the job again.")
    for id in _list_ids(job):
        if not _ID.fullmatch(id):
            raise BadInput(f"The job has a drawing {id!r:.100}, which no file can be named by: make the job again.")
    if not 0 <= job.seed < 2**63 or not 0 < job.fps < math.inf:
        raise BadInput(f"The job's seed is {job.seed} and its fps is {job.fps}: a seed is not below 0, and fps are above it.")
    ids = {d.id for d in job.drawings}
    for exposure in job.frames:
        if (
            exposure.exposure < 1
            or len(exposure.drawings) != len(job.cels)
            or any(d is not None and d not in ids for d in exposure.drawings)
        ):
            raise BadInput(f"Frame {exposure.frame} of the job names drawings that it does not have: make the job again.")
        if exposure.frame < -MAX_FRAME or exposure.frame + exposure.exposure > MAX_FRAME:
            raise BadInput(f"The job has a picture at frame {exposure.frame}, which no scene has: choose frames up to {MAX_FRAME}.")
    if again := [frame for frame, count in Counter(e.frame for e in job.frames).items() if count > 1]:
        raise BadInput(f"The job has two pictures at frame {again[0]}, and one file for both: make the job again.")
    for drawing in job.drawings:
        if drawing.kind not in KINDS or not 0 <= drawing.cel < len(job.cels):
            raise BadInput(f"Drawing {drawing.id} of the job is not understood: make the job again with this version of Shiage.")
    for drawing in job.drawings:
        tasks = _ONLY.get(drawing.kind, TASKS)
        if job.task not in tasks:
            raise BadInput(f"Only the task {tasks[0]} knows drawings of the kind '{drawing.kind}', not '{job.task}': make the job again.")
    if job.task == "inbetween":
        _check_keys(job)
    for hint in job.hints:
        _check_hint(hint)
    for file in list_files(job):
        path = PurePosixPath(file)
        if not path.parts or path.is_absolute() or ".." in path.parts or _NO_FILE.search(file):
            raise BadInput(f"The job names a file outside its folder ({file!r:.200}): it was not opened.")
    for drawing in job.drawings:
        if drawing.kind == "between" and PurePosixPath(drawing.file).parent != PurePosixPath("strokes"):  # the only file that is written
            raise BadInput(f"The drawing {drawing.id} is to be written to {drawing.file!r:.200}, not among strokes: make the job again.")


_ID = re.compile("[0-9a-z][0-9a-z_-]{0,63}")
_NO_FILE = re.compile(r"[\\:\x00-\x1f\x7f\ud800-\udfff]")  # not allowed in a job's paths, on any system
_ONLY = {"painted": ("inbetween",), "between": ("inbetween",), "pose": ("animate",)}  # kinds that only one task supports


def _check_keys(job: Job) -> None:
    """Check that drawings to be made are between keys of their cel, have a valid place in time, and follow existing line art."""
    kinds = {drawing.id: drawing.kind for drawing in job.drawings}
    for cel, named in enumerate(job.cels):
        shown = [kinds[id] for exposure in job.frames if (id := exposure.drawings[cel]) is not None]
        if shown and "between" in (shown[0], shown[-1]):
            raise BadInput(f"There is no key at both ends of the drawings to be made of {named.name}: give a first and a last one.")
    for drawing in job.drawings:
        if type(drawing.at) not in (int, float) or not -1.0 <= drawing.at <= 2.0:
            raise BadInput(f"A drawing to be made lies at {drawing.at!r} between its keys: give 0 to 1, or up to 1 more for an overshoot.")
        if drawing.guide is not None and kinds.get(drawing.guide) not in ("strokes", "raster"):
            raise BadInput(f"The line art {drawing.guide} that a drawing is to follow is not in the job: make the job again.")
    for pair in job.pairs:
        if any(
            kinds.get(key) != "strokes" or type(stroke) is not int or stroke < 0
            for key, stroke in [(pair.first, pair.a), (pair.last, pair.b)]
        ):
            raise BadInput(f"The pair of strokes {pair.a} and {pair.b} names drawings that the job does not have: pin it again.")


_COLOR = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?")


def _check_hint(hint: Hint) -> None:
    for place in (hint.place, *filter(None, [hint.same_as])):
        if (
            type(place.frame) is not int
            or len(place.point) != 2
            or not all(type(v) in (int, float) and math.isfinite(v) for v in place.point)
        ):
            raise BadInput(f"The hint at {place.point} in frame {place.frame} has no place: give a whole frame and two numbers.")
    if hint.swatch is not None and not (isinstance(hint.swatch, str) and _COLOR.fullmatch(hint.swatch)):
        raise BadInput(f"The hint in frame {hint.frame} has the color {hint.swatch!r}: give it as #rrggbb or #rrggbbaa, or none.")


def parse_hint(text: str) -> Hint:
    """Parse a hint from the command line: 'FRAME,X,Y,#RRGGBB', 'FRAME,X,Y,none' or 'FRAME,X,Y,=FRAME,X,Y'. Raises BadInput."""
    number = r"([-+]?\d{1,12}(?:\.\d*)?)"
    place = rf"([-+]?\d{{1,12}}),{number},{number}"
    match = re.fullmatch(rf"{place},(?:({_COLOR.pattern})|none|={place})", text.replace(" ", ""))
    if match is None:
        raise BadInput(f"'{text}' is no hint: write FRAME,X,Y,#RRGGBB, or none for the color, or =FRAME,X,Y for that of another region.")
    frame, x, y, color, other, other_x, other_y = match.groups()
    same_as = FramePoint(int(other), (float(other_x), float(other_y))) if other else None
    return Hint(int(frame), (float(x), float(y)), color, same_as)


def _list_ids(job: Job) -> Iterable[str]:
    """All ids of drawings that occur in a job."""
    yield from (d.id for d in job.drawings)
    yield from (d.guide for d in job.drawings if d.guide is not None)
    yield from (id for e in job.frames for id in e.drawings if id is not None)
    yield from (id for p in job.pairs for id in (p.first, p.last))


def list_files(job: Job) -> Iterable[str]:
    yield from (d.file for d in job.drawings)
    yield from (r.file for c in job.cels for r in c.references)
    yield from (r.pose for c in job.cels for r in c.references if r.pose is not None)
