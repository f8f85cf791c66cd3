"""Run by Blender: build a figure with two painted keys, at 1 and 17, and save it to the path after `--`.

A girl's head turns, nods and blinks. Lines and paint are on separate layers, lines on top.
"""

import math
import sys

import bpy
import numpy as np

WIDTH, HEIGHT = 640, 480
FILLED = bpy.app.version >= (5, 1, 0)  # fills are attributes of strokes


def curve(points, count=40, closed=False):
    """Points on a smooth curve through a few given ones, in pixels of the picture from the top left."""
    points = np.array(points, float)
    if closed:
        points = np.concatenate([points[-1:], points, points[:2]])
    else:
        points = np.concatenate([points[:1], points, points[-1:]])
    pieces = []
    steps = max(2, count // (len(points) - 3))
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        t = np.linspace(0, 1, steps, endpoint=False)[:, None]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(pieces if closed else [*pieces, points[-2:-1]])


def iris(at, x, lid):
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.array([at(x + 8 * math.cos(angle), -4 + min(9, 0.8 * lid) * math.sin(angle)) for angle in angles]), True


def pose(turn, nod, blink):
    """The lines of a head, and its other painted areas: {name: (points, closed)} for each."""
    c, s = math.cos(nod), math.sin(nod)

    def at(x, y):
        return 320 + 60 * turn + c * x - s * y, 260 + s * x + c * y

    def line(*points, closed=False, count=40):
        return curve([at(*point) for point in points], count, closed), closed

    shift = 26 * turn
    lid = 14 * (1 - blink)
    return {
        "face": line((-83, -34), (-84, 10), (-50, 78), (0, 104), (50, 78), (84, 10), (83, -34), count=70),
        "hair": line((-92, 40), (-104, -40), (-76, -112), (0, -140), (76, -112), (104, -40), (92, 40), count=70),
        "fringe": line((-92, -30), (-50, -64), (-30, -40), (0 + shift / 2, -72), (30, -40), (56, -66), (92, -30), count=60),
        "left brow": line((-56 + shift, -34), (-36 + shift, -42), (-16 + shift, -36), count=16),
        "right brow": line((16 + shift, -36), (36 + shift, -42), (56 + shift, -34), count=16),
        "left eye": line((-54 + shift, -4), (-36 + shift, -4 - lid), (-18 + shift, -4), (-36 + shift, -4 + lid), closed=True, count=36),
        "right eye": line((18 + shift, -4), (36 + shift, -4 - lid), (54 + shift, -4), (36 + shift, -4 + lid), closed=True, count=36),
        "nose": line((-2 + 1.4 * shift, 16), (6 + 1.6 * shift, 30), (-4 + 1.4 * shift, 34), count=14),
        "mouth": line((-22 + shift, 58), (0 + shift, 66 + 6 * blink), (22 + shift, 58), count=20),
        "neck left": line((-30, 96), (-32, 130), (-60, 150), count=20),
        "neck right": line((30, 96), (32, 130), (60, 150), count=20),
    }, {
        "skin": line(
            (-80, -60), (-84, 10), (-50, 78), (0, 104), (50, 78), (84, 10), (80, -60), (40, -96), (-40, -96), closed=True, count=90
        ),
        **{name: iris(at, x + shift, lid) for name, x in (("left iris", -36), ("right iris", 36))},
    }


def put(drawing, name, kind, domain, key, values):
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    attribute.data.foreach_set(key, np.ascontiguousarray(values).ravel())


def write(drawing, strokes, radius, materials, colors=None):
    drawing.add_strokes([len(points) for points, _ in strokes])
    points = np.concatenate([points for points, _ in strokes])
    place = np.stack([(points[:, 0] - WIDTH / 2) / 100, np.zeros(len(points)), (HEIGHT / 2 - points[:, 1]) / 100], axis=1)
    put(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", place.astype(np.float32))
    taper = [np.sin(np.linspace(0.35, math.pi - 0.35, len(points))) if not closed else np.ones(len(points)) for points, closed in strokes]
    put(drawing, "radius", "FLOAT", "POINT", "value", (radius * np.concatenate(taper)).astype(np.float32))
    put(drawing, "cyclic", "BOOLEAN", "CURVE", "value", np.array([closed for _, closed in strokes]))
    put(drawing, "material_index", "INT", "CURVE", "value", np.int32(materials))
    if colors is not None:
        put(drawing, "fill_color", "FLOAT_COLOR", "CURVE", "color", np.float32(colors))
        if FILLED:
            put(drawing, "fill_id", "INT", "CURVE", "value", np.arange(1, len(strokes) + 1, dtype=np.int32))
            put(drawing, "hide_stroke", "BOOLEAN", "CURVE", "value", np.ones(len(strokes), bool))
    drawing.tag_positions_changed()


def material(name, color, fill):
    made = bpy.data.materials.new(name)
    bpy.data.materials.create_gpencil_data(made)
    made.grease_pencil.color = made.grease_pencil.fill_color = color
    if not FILLED:
        made.grease_pencil.show_stroke, made.grease_pencil.show_fill = not fill, fill
    return made


bpy.ops.wm.read_homefile(use_empty=True)
scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
scene.frame_start, scene.frame_end = 1, 24
scene.view_settings.view_transform = "Standard"
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", WIDTH / 100
camera.location, camera.rotation_euler = (0, -10, 0), (math.pi / 2, 0, 0)
scene.collection.objects.link(camera)
scene.camera = camera
pencils = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
data = pencils.new("Head")
head = bpy.data.objects.new("Head", data)
scene.collection.objects.link(head)
data.materials.append(material("Ink", (0.02, 0.02, 0.05, 1), False))
paint, lines = (data.layers.new(name, set_active=True) for name in ("Paint", "Lines"))
paint.use_lights = lines.use_lights = False
SKIN, HAIR, EYE, IRIS = (1, 0.72, 0.55, 1), (0.25, 0.06, 0.03, 1), (0.9, 0.95, 1, 1), (0.02, 0.12, 0.2, 1)
for name, color in (("Skin", SKIN), ("Hair", HAIR), ("Eye", EYE), ("Iris", IRIS)):
    data.materials.append(material(name, color, True))
for frame, how in ((1, (-1, -0.12, 0)), (17, (1, 0.16, 0.6))):
    strokes, painted = pose(*how)
    hair = (np.concatenate([strokes["hair"][0], strokes["fringe"][0][::-1]]), True)
    areas = [painted["skin"], hair, strokes["left eye"], strokes["right eye"], painted["left iris"], painted["right iris"]]
    write(paint.frames.new(frame).drawing, areas, 0.0, [1, 2, 3, 3, 4, 4], [SKIN, HAIR, EYE, EYE, IRIS, IRIS])
    write(lines.frames.new(frame).drawing, list(strokes.values()), 0.025, [0] * len(strokes))
head.select_set(True)
bpy.context.view_layer.objects.active = head
data.layers.active = lines
scene.frame_set(5)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[sys.argv.index("--") + 1])
