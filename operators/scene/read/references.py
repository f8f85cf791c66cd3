"""The references that the animator chose, as files."""

from collections.abc import Iterable
from pathlib import Path

import bpy

from ....engine.job.errors import BadInput


def files(chosen: Iterable, folder: Path) -> tuple[Path, ...]:
    """The picture files of a collection of SHIAGE_PG_reference, see `file`."""
    return tuple(file(item.image, folder) for item in chosen if item.image is not None)


def key(chosen: Iterable) -> tuple[str, ...]:
    """What tells one set of references from another, without touching a file."""
    return tuple(item.image.name_full for item in chosen if item.image is not None)


def file(image: bpy.types.Image, folder: Path) -> Path:
    """The file of an image. One that lives only inside Blender (packed, painted, rendered) is written to `folder`. Raises BadInput when it
    has neither file nor pixels."""
    packed = image.packed_file
    source = Path(bpy.path.abspath(image.filepath_raw, library=image.library)) if image.filepath_raw else None
    if packed is None and source is not None and not image.is_dirty:
        if not source.is_file():
            raise BadInput(f"The reference '{image.name}' can't be read, its file {source} is missing: choose another picture.")
        return source
    folder.mkdir(parents=True, exist_ok=True)
    if packed is not None and not image.is_dirty:
        target = folder / f"{bpy.path.clean_name(image.name)}{source.suffix if source and source.suffix else '.png'}"
        target.write_bytes(packed.data)
        return target
    if not image.has_data and not image.size[0]:
        raise BadInput(f"The reference '{image.name}' has no pixels: choose another picture.")
    target = folder / f"{bpy.path.clean_name(image.name)}.png"
    copy = image.copy()  # saving would give the artist's image a file path
    try:
        copy.file_format = "PNG"
        copy.save(filepath=str(target))
    except RuntimeError as error:
        raise BadInput(f"The reference '{image.name}' can't be written as a file ({error}): save it and choose the file.") from error
    finally:
        bpy.data.images.remove(copy)
    return target
