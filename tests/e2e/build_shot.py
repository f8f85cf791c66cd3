"""Run by Blender: build the small shot that conftest.py describes, or one like it, and save it.

... -- FILE [DRAWINGS]
"""

import math
import sys

import bpy

WIDTH, HEIGHT = 320, 240
FILE, DRAWINGS = [*sys.argv[sys.argv.index("--") + 1 :], "3"][:2]


def circle(drawing, x: float, y: float, radius: float, points: int = 48) -> None:
    """A closed stroke, 4 px wide; x, y and radius in pixels from the top left. One unit is a hundred pixels."""
    drawing.add_strokes([points])
    stroke = drawing.strokes[-1]
    stroke.cyclic = True
    for i, point in enumerate(stroke.points):
        angle = 2 * math.pi * i / points
        point.position = ((x + radius * math.cos(angle) - WIDTH / 2) / 100, 0, (HEIGHT / 2 - y - radius * math.sin(angle)) / 100)
        point.radius = 0.02


bpy.ops.wm.read_homefile(use_empty=True)
scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
scene.frame_start, scene.frame_end = 1, 2 * int(DRAWINGS)
scene.view_settings.view_transform = "Standard"  # as after Show Exact Colors, whose warning would push panels out of the window
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", WIDTH / 100
camera.location, camera.rotation_euler = (0, -10, 0), (math.pi / 2, 0, 0)
scene.collection.objects.link(camera)
scene.camera = camera

pencils = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
data = pencils.new("Figure")
figure = bpy.data.objects.new("Figure", data)
scene.collection.objects.link(figure)
ink = bpy.data.materials.new("Ink")
bpy.data.materials.create_gpencil_data(ink)
data.materials.append(ink)
layer = data.layers.new("Lines", set_active=True)
for i in range(int(DRAWINGS)):
    drawing = layer.frames.new(1 + 2 * i).drawing
    circle(drawing, 120 + 20 * i, 120, 70)
    circle(drawing, 110 + 20 * i, 110, 20)
figure.select_set(True)
bpy.context.view_layer.objects.active = figure
bpy.ops.wm.save_as_mainfile(filepath=FILE)
