"""Builds job folders for all callers: Blender, the shell, the lab. Standard library only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .files import write_atomic
from .folder import add_reference, check_reference, clear_stale, save_job
from .lock import open_job_folder
from .schema import Cel, Drawing, Exposure, Hint, Job, StrokePair

FOLDER_OF_KIND = {"strokes": "strokes", "raster": "sketches", "painted": "reference", "between": "strokes", "pose": "poses"}

Content = Callable[[], bytes]


@dataclass
class JobBuilder:
    """A job that is assembled in memory. Nothing is written before `write_job`. `size` is (width, height) in px.

    Cels are numbered in the order in which they are added, back to front.
    """

    task: str
    model: str
    size: tuple[int, int]
    _cels: list[tuple[str, tuple[Path, ...], str | None]] = field(default_factory=list)
    _drawings: dict[str, Drawing] = field(default_factory=dict)
    _contents: dict[str, Content] = field(default_factory=dict)
    _painted: dict[str, Path] = field(default_factory=dict)

    def add_cel(self, name: str, references: Sequence[Path] = (), pose: str | None = None) -> int:
        """Add a cel and return its number. `pose` is the file of the first reference's pose, see `add_file`. Raises BadInput when a
        reference can't be read."""
        for path in references:
            check_reference(path)
        self._cels.append((name, tuple(references), pose))
        return len(self._cels) - 1

    def add_drawing(self, drawing: Drawing, content: Content | None = None) -> None:
        """Add a drawing, once for each id. `content` returns the bytes of its file. A drawing that is to be made has none yet."""
        self._drawings[drawing.id] = drawing
        if content is not None:
            self.add_file(drawing.file, content)

    def add_painted_key(self, id: str, cel: int, path: Path, name: str = "") -> None:
        """Add a key in color. It is copied byte for byte, like references. Raises BadInput when it can't be read."""
        check_reference(path)
        self._drawings[id] = Drawing(id, cel, "painted", "", name or path.name)
        self._painted[id] = path

    def add_file(self, file: str, content: Content) -> None:
        """Add a file, named by its content and relative to the job folder. `content` is called only if the file does not exist yet."""
        self._contents[file] = content

    def write_job(
        self,
        folder: Path,
        frames: Sequence[Exposure],
        *,
        title: str = "",
        fps: float = 24.0,
        seed: int = 0,
        device: str = "auto",
        options: Mapping[str, object] | None = None,
        hints: Sequence[Hint] = (),
        pairs: Sequence[StrokePair] = (),
        also: Callable[[], None] = lambda: None,
    ) -> Job:
        """Write the job folder under its lock, job.json last, and remove files of an earlier request that this one does not use.

        `also` writes additional files of the job. Raises BadInput when another process works on the folder or the job is incomplete, and
        then changes nothing; JobFailed when the folder can't be written.
        """
        with open_job_folder(folder):
            for file, content in self._contents.items():
                if not (folder / file).is_file():  # an existing file is complete
                    write_atomic(folder / file, content())
            for id, path in self._painted.items():
                self._drawings[id] = replace(self._drawings[id], file=add_reference(folder, path).file)
            job = Job(
                task=self.task,
                model=self.model,
                size=self.size,
                cels=tuple(_copy_references(folder, *cel) for cel in self._cels),
                drawings=tuple(self._drawings.values()),
                frames=tuple(frames),
                title=title,
                fps=fps,
                seed=seed,
                device=device,
                options=dict(options or {}),
                hints=tuple(hints),
                pairs=tuple(pairs),
            )
            save_job(job, folder)
            clear_stale(folder, job)
            also()
        return job


def name_file(kind: str, id: str, suffix: str) -> str:
    """The path of a drawing's file, relative to the job folder. `suffix` includes the dot."""
    return f"{FOLDER_OF_KIND[kind]}/{id}{suffix}"


def _copy_references(folder: Path, name: str, paths: Sequence[Path], pose: str | None) -> Cel:
    references = [add_reference(folder, path) for path in paths]
    if references and pose is not None:
        references[0] = replace(references[0], pose=pose)
    return Cel(name, tuple(references))
