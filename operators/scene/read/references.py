"""The references that the animator chose, as files."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import bpy

from ....engine.job.errors import BadInput, JobFailed
from ....engine.job.files import compute_digest, write_atomic


def find_reference_files(chosen: Iterable) -> tuple[Path, ...]:
    """The picture files of a collection of SHIAGE_PG_reference, see `file`."""
    return tuple(find_image_file(item.image) for item in chosen if item.image is not None)


def hash_references(chosen: Iterable) -> tuple[str, ...]:
    """What tells one set of references from another, without touching a file."""
    return tuple(item.image.name_full for item in chosen if item.image is not None)


def find_image_file(image: bpy.types.Image) -> Path:
    """The file of an image. One that lives only inside Blender (packed, painted, rendered) is written to the session's temporary folder,
    where each image has a file of its own. Raises BadInput when it has neither file nor pixels, JobFailed when it can't be written."""
    packed = image.packed_file
    source = Path(bpy.path.abspath(image.filepath_raw, library=image.library)) if image.filepath_raw else None
    if packed is None and source is not None and not image.is_dirty:
        if not source.is_file():
            raise BadInput(f"The reference '{image.name}' can't be read, its file {source} is missing: choose another picture.")
        return source
    # Names of images that differ can be the same as names of files.
    folder = Path(bpy.app.tempdir or tempfile.gettempdir()) / "shiage-references" / compute_digest(image.name_full)[:16]
    if packed is not None and not image.is_dirty:
        target = folder / f"{bpy.path.clean_name(image.name)}{source.suffix if source and source.suffix else '.png'}"
        write_atomic(target, packed.data)
        return target
    if not image.has_data and not image.size[0]:
        raise BadInput(f"The reference '{image.name}' has no pixels: choose another picture.")
    target = folder / f"{bpy.path.clean_name(image.name)}.png"
    file_format = image.file_format
    try:
        folder.mkdir(parents=True, exist_ok=True)
        image.file_format = "PNG"
        image.save(filepath=str(target), save_copy=True)  # the artist's image keeps its own path, and is still to be saved
    except OSError as error:
        raise JobFailed(f"Could not write {target}: {error.strerror or error}; free some space, then try again.") from error
    except RuntimeError as error:
        raise BadInput(f"The reference '{image.name}' can't be written as a file ({error}): save it and choose the file.") from error
    finally:
        image.file_format = file_format
    return target
