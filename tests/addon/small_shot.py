"""A shot that is quickly colored: a disk with a smaller one inside, moving right, three drawings on twos. And its reference."""

import math
import struct
import zlib
from pathlib import Path

import bpy

WIDTH, HEIGHT = 320, 200  # px, with the camera of conftest.scene
UNIT = 7.2 / WIDTH
SKIN, EYE, INK, PAPER = (240, 200, 160, 255), (40, 120, 200, 255), (0, 0, 0, 255), (255, 255, 255, 255)


def draw(scene: bpy.types.Scene, name: str = "Figure", drawings: int = 3) -> bpy.types.Object:
    """The object, linked to the scene, whose frames are then colored at WIDTH x HEIGHT."""
    pencils = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    data = pencils.new(name)
    figure = bpy.data.objects.new(name, data)
    scene.collection.objects.link(figure)
    ink = bpy.data.materials.new("Ink")
    bpy.data.materials.create_gpencil_data(ink)
    data.materials.append(ink)
    layer = data.layers.new("Lines", set_active=True)
    for i in range(drawings):
        drawing = layer.frames.new(1 + 2 * i).drawing
        _circle(drawing, 120 + 20 * i, 100, 70)
        _circle(drawing, 110 + 20 * i, 90, 20)
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.frame_start, scene.frame_end = 1, 2 * drawings
    bpy.context.view_layer.update()
    return figure


def _circle(drawing, x: float, y: float, radius: float, points: int = 48) -> None:
    drawing.add_strokes([points])
    stroke = drawing.strokes[-1]
    stroke.cyclic = True
    for i, point in enumerate(stroke.points):
        angle = 2 * math.pi * i / points
        point.position = ((x + radius * math.cos(angle) - WIDTH / 2) * UNIT, 0, (HEIGHT / 2 - y - radius * math.sin(angle)) * UNIT)
        point.radius = 2 * UNIT


def write_reference(path: Path) -> Path:
    """The first drawing, colored."""
    return _write_picture(path, EYE, SKIN, (0, 0, 0, 0))


def write_scan(path: Path) -> Path:
    """The first drawing, inked on paper."""
    return _write_picture(path, PAPER, PAPER, PAPER)


def _write_picture(path: Path, eye_color: tuple, head_color: tuple, outside: tuple) -> Path:
    rows = []
    for y in range(HEIGHT):
        row = bytearray()
        for x in range(WIDTH):
            head, eye = math.hypot(x + 0.5 - 120, y + 0.5 - 100), math.hypot(x + 0.5 - 110, y + 0.5 - 90)
            ink = abs(head - 70) < 2 or abs(eye - 20) < 2
            row += bytes(INK if ink else eye_color if eye < 20 else head_color if head < 70 else outside)
        rows.append(b"\0" + bytes(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_png(WIDTH, HEIGHT, b"".join(rows)))
    return path


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pixel(path: Path, x: int, y: int) -> tuple[int, ...]:
    """One pixel of a picture, from the top left, as Blender reads it."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        width, height = image.size
        image.colorspace_settings.name = "Non-Color"
        start = 4 * ((height - 1 - y) * width + x)
        return tuple(round(255 * value) for value in image.pixels[start : start + 4])
    finally:
        bpy.data.images.remove(image)
