"""Which drawings of a layer are the animator's keys, and which ones Shiage has made between them.

A drawing of Shiage's has the keyframe type Generated and carries a mark, the checksum of what was put there. Whoever changes the drawing,
or its type, makes it a key of their own: the mark holds no longer, and nothing overwrites it.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from ....engine.job.errors import BadInput

TYPE = "GENERATED"
MARK = "shiage_inbetween"  # on each stroke
CONFIDENCE = "shiage_confidence"  # on each stroke, 0..1: how sure the pair of strokes is that it was made of
OWN_LAYER = "{} inbetweens"

# What a person may change of a drawing, with the key that reads it and its width.
_CONTENT = (
    ("position", "vector", 3, np.float32),
    ("radius", "value", 1, np.float32),
    ("opacity", "value", 1, np.float32),
    ("vertex_color", "color", 4, np.float32),
    ("fill_color", "color", 4, np.float32),
    ("material_index", "value", 1, np.int32),
    ("cyclic", "value", 1, bool),
)


@dataclass(frozen=True, order=True)
class KeyPair:
    """Two keys of a layer that follow each other, by their scene frames."""

    first: int
    last: int


def compute_checksum(drawing) -> int:
    """What a drawing holds, as a number that fits an attribute; 0 only by chance."""
    found = 0
    for name, key, width, dtype in _CONTENT:
        attribute = drawing.attributes.get(name)
        if attribute is not None:
            values = np.empty(width * len(attribute.data), dtype)
            attribute.data.foreach_get(key, values)
            found = zlib.crc32(values.tobytes(), found)
    return found & 0x7FFFFFFF


def mark_generated(frame: bpy.types.GreasePencilFrame) -> None:
    """Say of a frame, once its drawing is whole, that Shiage has made it."""
    frame.keyframe_type = TYPE
    attributes = frame.drawing.attributes
    attribute = attributes.get(MARK) or attributes.new(MARK, "INT", "CURVE")
    attribute.data.foreach_set("value", np.full(len(attribute.data), compute_checksum(frame.drawing), np.int32))


def is_ours(frame: bpy.types.GreasePencilFrame) -> bool:
    """Whether Shiage has made the drawing of a frame, and nobody has changed it since."""
    if frame.keyframe_type != TYPE or frame.drawing is None:
        return False
    attribute = frame.drawing.attributes.get(MARK)
    if attribute is None:
        return False
    values = np.empty(len(attribute.data), np.int32)
    attribute.data.foreach_get("value", values)
    return not len(values) or bool((values == compute_checksum(frame.drawing)).all())


def is_key(frame: bpy.types.GreasePencilFrame) -> bool:
    """Whether a frame's drawing is the animator's and has strokes."""
    return frame.drawing is not None and frame.drawing.attributes.domain_size("CURVE") > 0 and not is_ours(frame)


def sort_frames(layer) -> list[bpy.types.GreasePencilFrame]:
    return sorted(layer.frames, key=lambda frame: frame.frame_number)


def find_keys_around(layer, number: int) -> tuple[bpy.types.GreasePencilFrame | None, bpy.types.GreasePencilFrame | None]:
    """What the animator has put before or at a scene frame, and after it; at the last key, the last two. Either may be a blank."""
    before, after = None, None
    frames = sort_frames(layer)
    earlier = [frame for frame in frames if frame.frame_number <= number]
    later = (frame for frame in frames if frame.frame_number > number)
    theirs = (frame for frame in reversed(earlier) if not is_ours(frame))
    before, after = next(theirs, None), next((frame for frame in later if not is_ours(frame)), None)
    if after is None and before is not None and before.frame_number == number:
        before, after = next(theirs, None), before
    return before, after


def pair_around(layer, number: int) -> KeyPair | None:
    """The two keys around a scene frame, None where there are no two."""
    before, after = find_keys_around(layer, number)
    if before is None or after is None or not is_key(before) or not is_key(after):
        return None
    return KeyPair(before.frame_number, after.frame_number)


def pairs_within(layer, first: int, last: int) -> Iterator[KeyPair]:
    """All pairs of keys of a layer that follow each other between two scene frames, those included."""
    theirs = [frame for frame in sort_frames(layer) if first <= frame.frame_number <= last and not is_ours(frame)]
    for before, after in zip(theirs, theirs[1:], strict=False):
        if is_key(before) and is_key(after):
            yield KeyPair(before.frame_number, after.frame_number)


def frame_at(layer, number: int) -> bpy.types.GreasePencilFrame | None:
    """The frame that begins at a scene frame."""
    return next((frame for frame in layer.frames if frame.frame_number == number), None)


def drawing_at(layer, number: int):
    """The key's drawing that begins at a scene frame. Raises BadInput when it is not there (any more)."""
    frame = frame_at(layer, number)
    if frame is None or not is_key(frame):
        raise BadInput(f"The key {number} of {layer.name} is no longer there: fill again.")
    return frame.drawing


def remove_ours(layer, first: int, last: int) -> int:
    """Remove what Shiage has made on a layer from a scene frame to another, those included; returns how many drawings that were."""
    numbers = [frame.frame_number for frame in layer.frames if first <= frame.frame_number <= last and is_ours(frame)]
    for number in numbers:
        layer.frames.remove(number)
    return len(numbers)
