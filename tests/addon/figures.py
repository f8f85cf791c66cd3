"""Grease Pencil objects for tests, made by numbers."""

import bpy
import numpy as np
from conftest import module

POLY, CATMULL_ROM, BEZIER, NURBS = 1, 0, 2, 3


def arc(center, radius, start=0.0, end=2 * np.pi, count=48):
    """Points (count, 3) of an arc in the XZ plane."""
    angle = np.linspace(start, end, count)
    return np.stack([center[0] + radius * np.cos(angle), np.zeros(count), center[1] + radius * np.sin(angle)], axis=1)


def figure():
    """A face with an open chin: [(points, radii, cyclic)], some 3 x 3 units around the origin."""
    taper = 0.008 + 0.03 * np.sin(np.linspace(0, np.pi, 60))
    return [
        (arc((0, 0.2), 1.3, np.radians(-50), np.radians(230), 60), taper, False),
        (arc((-0.5, 0.5), 0.25, count=24)[:-1], np.full(23, 0.015), True),
        (arc((0.5, 0.5), 0.25, count=24)[:-1], np.full(23, 0.015), True),
        (np.array([(0, 0, 0.3), (-0.15, 0, -0.1), (0.1, 0, -0.1)], float), np.full(3, 0.012), False),
        (arc((0, -0.3), 0.5, np.radians(200), np.radians(340), 9), np.full(9, 0.02), False),
    ]


def write(drawing, strokes, *, kind=POLY, material=0, opacity=None, color=None):
    """Replace a drawing's strokes by [(points, radii, cyclic)], or [(..., left handles, right handles)] for Bezier curves."""
    drawing.remove_strokes()
    drawing.add_strokes([len(points) for points, *_ in strokes])

    def put(name, type_, domain, key, values):
        attribute = drawing.attributes.get(name) or drawing.attributes.new(name, type_, domain)
        attribute.data.foreach_set(key, np.ascontiguousarray(values).ravel())

    count = len(strokes)
    points = np.concatenate([s[0] for s in strokes]).astype(np.float32)
    put("position", "FLOAT_VECTOR", "POINT", "vector", points)
    put("radius", "FLOAT", "POINT", "value", np.concatenate([np.broadcast_to(s[1], len(s[0])) for s in strokes]).astype(np.float32))
    put("cyclic", "BOOLEAN", "CURVE", "value", np.array([s[2] for s in strokes], bool))
    if kind != POLY and hasattr(drawing, "set_types"):  # 4.3 has polylines only
        drawing.set_types(type={CATMULL_ROM: "CATMULL_ROM", BEZIER: "BEZIER", NURBS: "NURBS"}[kind])
    put("material_index", "INT", "CURVE", "value", np.full(count, material, np.int32))
    if kind == BEZIER:
        put("handle_left", "FLOAT_VECTOR", "POINT", "vector", np.concatenate([s[3] for s in strokes]).astype(np.float32))
        put("handle_right", "FLOAT_VECTOR", "POINT", "vector", np.concatenate([s[4] for s in strokes]).astype(np.float32))
    if kind == NURBS:
        put("nurbs_order", "INT8", "CURVE", "value", np.full(count, 4, np.int8))
    if opacity is not None:
        put("opacity", "FLOAT", "POINT", "value", np.full(len(points), opacity, np.float32))
    if color is not None:
        put("vertex_color", "FLOAT_COLOR", "POINT", "color", np.tile(np.float32(color), (len(points), 1)))
    drawing.tag_positions_changed()


def material(name="Line", color=(0.0, 0.0, 0.0, 1.0), line=True, fill=False):
    made = bpy.data.materials.new(name)
    bpy.data.materials.create_gpencil_data(made)
    made.grease_pencil.color = color
    if bpy.app.version < (5, 1, 0):
        made.grease_pencil.show_stroke, made.grease_pencil.show_fill = line, fill
    return made


def add(scene, name="Figure", keys=(1,), strokes=None, layer="Lines", **how):
    """An object with one layer that has a drawing at each of `keys`, each a little to the right of the one before."""
    compat = module("operators.scene.compat")
    data = compat.grease_pencils().new(name)
    ob = bpy.data.objects.new(name, data)
    scene.collection.objects.link(ob)
    data.materials.append(material())
    add_layer(data, layer, keys, strokes, **how)
    return ob


def add_layer(data, name, keys=(1,), strokes=None, **how):
    layer = data.layers.new(name, set_active=True)
    layer.use_lights = False
    for index, key in enumerate(keys):
        moved = [(points + (0.3 * index, 0, 0), *rest) for points, *rest in (strokes or figure())]
        write(layer.frames.new(key).drawing, moved, **how)
    return layer
