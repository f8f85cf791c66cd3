"""What strokes can't express is rendered by Blender for Shiage: at each frame the picture that Blender itself makes of that frame."""

import bpy
import figures
import numpy as np
import pytest
from conftest import module

SIZE = (192, 120)  # px: without a graphics card Blender takes as long as there are pixels
FIRST = 101  # of the frames that are looked at: nothing may depend on beginning at 1
KEYS = (FIRST, FIRST + 2, FIRST + 4)
DOTTED = bpy.app.version < (5, 2, 0)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def add_mask(ob, layer, mask, invert=False):
    """Let a layer show only where another one has something."""
    bpy.context.view_layer.objects.active = ob
    ob.data.layers.active = layer
    bpy.ops.grease_pencil.layer_mask_add(name=mask.name)
    layer.use_masks = True
    layer.mask_layers[-1].invert = invert
    return layer.mask_layers[-1]


def add_filled(ob, name, keys=(FIRST,), center=(0.5, 0), radius=0.9, color=(1, 1, 1, 1), line=False):
    """A layer of filled disks, each further right than the one before; white ones are no ink."""
    paint = figures.material(name, line=line, fill=True)
    paint.grease_pencil.fill_color = color
    ob.data.materials.append(paint)
    disk = [(figures.arc(center, radius, count=40)[:-1], 0.05, True)]
    layer = figures.add_layer(ob.data, name, keys, disk, material=len(ob.data.materials) - 1)
    if bpy.app.version >= (5, 1, 0):
        for frame in layer.frames:
            frame.drawing.attributes.new("fill_id", "INT", "CURVE").data.foreach_set("value", [1])
            frame.drawing.attributes.new("hide_stroke", "BOOLEAN", "CURVE").data.foreach_set("value", [not line])
    return layer


def add_figure(scene, keys=KEYS):
    """Thick lines: Blender blends in linear light, so that thin ones are paler on white than on nothing."""
    head = [(figures.arc((0, 0.2), 1.3, count=40)[:-1], 0.06, True), (figures.arc((-0.3, 0.3), 0.6, 1, 5, count=24), 0.06, False)]
    return figures.add(scene, keys=keys, strokes=head)


def see_flat(scene):
    """No perspective: with it the software renderer loses parts of what a mask far larger than the picture lets through."""
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 7.2


def add_masked(scene, keys=KEYS, **how):
    """An object whose lines are seen within a white disk below them: object, lines, mask."""
    ob = add_figure(scene, keys=keys)
    mask = add_filled(ob, "Mask", keys[:1], **how)
    ob.data.layers.move_bottom(mask)
    add_mask(ob, ob.data.layers["Lines"], mask)
    return ob, ob.data.layers["Lines"], mask


def animate(owner, path, values, index=-1):
    for frame, value in values.items():
        if index < 0:
            setattr(owner, path, value)
        else:
            getattr(owner, path)[index] = value
        owner.keyframe_insert(path, index=index, frame=frame)


def drive(owner, path, expression, index=-1):
    owner.driver_add(path, index).driver.expression = expression


@case
def drawings_behind_a_mask(scene):
    add_masked(scene)


@case
def masks_that_are_drawn_anew(scene):
    add_masked(scene, keys=(FIRST,), center=(-0.5, 0))[2].frames.new(FIRST + 3)  # a blank one hides all


@case
def mask_that_changes_with_its_keys(scene):
    ob = add_figure(scene, keys=(FIRST,))
    add_mask(ob, ob.data.layers["Lines"], add_filled(ob, "Mask", KEYS, (-0.8, 0)))
    ob.data.layers.move_bottom(ob.data.layers["Mask"])


@case
def mask_that_moves_over_a_held_drawing(scene):
    mask = add_masked(scene, keys=(FIRST,))[2]
    animate(mask, "translation", {FIRST: 0.0, FIRST + 5: -1.5}, 0)


@case
def mask_of_a_parent_that_moves(scene):
    mask, parent = add_masked(scene, keys=(FIRST,))[2], bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    mask.parent = parent
    animate(parent, "location", {FIRST: (0, 0, 0), FIRST + 5: (-1.5, 0, 0)})


@case
def mask_that_a_driver_hides(scene):
    drive(add_masked(scene)[2], "hide", f"frame > {FIRST + 2}")


@case
def use_of_masks_that_is_animated(scene):
    animate(add_masked(scene, keys=(FIRST,))[1], "use_masks", {FIRST: False, FIRST + 4: True})


@case
def mask_without_opacity(scene):
    add_masked(scene)[2].opacity = 0


@case
def turned_mask(scene):
    add_masked(scene)[1].mask_layers[0].invert = True


@case
def mask_below_that_is_masked_itself(scene):
    ob, _lines, mask = add_masked(scene, line=True)
    other = add_filled(ob, "Other", center=(0.9, 0.3), radius=0.6)
    ob.data.layers.move_bottom(other)
    add_mask(ob, mask, other)


@case
def mask_of_lines_alone(scene):
    """Left out, so that it is only a mask; white, so that it is no ink for Blender either."""
    ob = add_figure(scene, keys=KEYS)
    ob.data.materials.append(figures.material("Paper", (1, 1, 1, 1)))
    mask = figures.add_layer(ob.data, "Rough", (FIRST,), [(figures.arc((0, 0), 1.0), 0.4, True)], material=1)
    ob.data.layers.move_bottom(mask)
    add_mask(ob, ob.data.layers["Lines"], mask)


@case
def tinted_thickened_layer(scene):
    lines = add_masked(scene)[1]
    lines.tint_color, lines.tint_factor, lines.radius_offset = (1, 0, 0), 0.5, 0.015


@case
def time_modifier(scene):
    add_masked(scene)[0].modifiers.new("Time", "GREASE_PENCIL_TIME").offset = 2


@case
def noise_modifier_of_each_frame(scene):
    noise = add_masked(scene, keys=(FIRST,))[0].modifiers.new("Noise", "GREASE_PENCIL_NOISE")
    noise.factor, noise.use_random, noise.step = 0.6, True, 2


@case
def build_modifier(scene):
    build = add_masked(scene, keys=(FIRST,), radius=1.6)[0].modifiers.new("Build", "GREASE_PENCIL_BUILD")
    build.start_delay, build.length = 0, 8


@case
def offset_modifier_that_a_driver_moves(scene):
    drive(add_masked(scene)[0].modifiers.new("Offset", "GREASE_PENCIL_OFFSET"), "location", f"(frame - {FIRST}) * 0.2", 0)


@case
def animated_object_and_camera(scene):
    animate(add_masked(scene, keys=(FIRST,))[0], "location", {FIRST: (0, 0, 0), FIRST + 5: (1, 1, 0.4)})
    animate(scene.camera.data, "lens", {FIRST: 50, FIRST + 5: 70})


@case
def instance_that_moves(scene):
    ob = add_masked(scene)[0]
    inside = bpy.data.collections.new("Inside")
    inside.objects.link(ob)
    scene.collection.objects.unlink(ob)
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", inside
    scene.collection.objects.link(empty)
    animate(empty, "location", {FIRST: (0, 0, 0), FIRST + 5: (1, 1, 0.4)})


@case
def eraser_lines(scene):
    ob = add_figure(scene, keys=(FIRST,))
    ob.data.materials.append(figures.material("Eraser"))
    ob.data.materials[1].grease_pencil.use_stroke_holdout = True
    figures.add_layer(ob.data, "Erased", KEYS, [(figures.arc((-0.8, 0), 0.7), 0.1, True)], material=1)


@case
def eraser_fills(scene):
    ob = add_figure(scene, keys=(FIRST,))
    add_filled(ob, "Erased", KEYS, (-0.8, 0))
    ob.data.materials[1].grease_pencil.use_fill_holdout = True


@case
def eraser_that_is_animated(scene):
    ob = add_figure(scene, keys=(FIRST,))
    add_filled(ob, "Erased", (FIRST,), (-0.8, 0))
    ob.data.materials[1].grease_pencil.use_fill_holdout = True
    drive(ob.data.materials[1].grease_pencil, "hide", f"frame > {FIRST + 2}")


@case
def white_paint_beside_erasers(scene):
    eraser_fills(scene)
    ob = scene.objects["Figure"]
    ob.data.layers.move_bottom(add_filled(ob, "Paint", (FIRST,), (0, 0), 1.4))


@case
def wave_that_is_animated(scene):
    wave = add_figure(scene, keys=(FIRST,)).shader_effects.new("Wave", "FX_WAVE")
    animate(wave, "phase", {FIRST: 0.0, FIRST + 5: 3.0})


@case
def time_remapping(scene):
    add_masked(scene, keys=(FIRST // 2, FIRST // 2 + 1, FIRST // 2 + 2))
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200


@case
def dots(scene):
    add_figure(scene, keys=KEYS).data.materials[0].grease_pencil.mode = "DOTS"


def gather(scene, frames):
    return module("operators.scene.read.shot").gather_shot(scene, scene.view_layers[0], size=SIZE, frames=frames, step=2)


def find_ink(rgba):
    """What white paper would show, bool (H, W)."""
    pixels = rgba.astype(float) / 255
    return pixels[:, :, 3] * (1 - pixels[:, :, :3].min(2)) > 0.4


def render_frame(scene, frame):
    scene.frame_set(frame)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    module("operators.scene.read.raster").set_up(scene)
    return find_ink(module("operators.scene.png").decode_png(module("operators.scene.read.raster").png_of(scene)))


def widen(mask):
    wide = mask.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            wide |= np.roll(mask, shift, axis) | np.roll(np.roll(mask, shift, 0), shift, 1)
    return wide


def compare_frame(shot, truth, frame):
    """The parts of Blender's ink that the shot's drawing has, and of the drawing's that Blender has; None where it is no picture."""
    exposure = next(e for e in shot.exposures if e.frame <= frame < e.frame + e.exposure)
    (drawing,) = exposure.drawings
    if drawing is None:
        return float(not truth.any()), 1.0
    if shot.drawings[drawing].picture is None:
        return None
    found = find_ink(module("operators.scene.png").decode_png(shot.drawings[drawing].picture))
    return (truth & widen(found)).sum() / max(1, truth.sum()), (found & widen(truth)).sum() / max(1, found.sum())


@pytest.mark.parametrize("name", CASES)
def test_each_frame_is_the_one_that_blender_shows(scene, name):
    scene.frame_start, scene.frame_end = FIRST, FIRST + 5
    CASES[name](scene)
    first = FIRST + 1 if scene.render.frame_map_new == 200 else FIRST + 2
    shot = gather(scene, (first, first + 2))
    assert scene.frame_current == 1
    truths = [render_frame(scene, frame) for frame in (first, first + 2)]
    assert (truths[0] != truths[1]).any(), "the case shows nothing: both frames are alike"
    compared = [compare_frame(shot, truth, frame) for frame, truth in zip((first, first + 2), truths, strict=True)]
    if not (name == "dots" and not DOTTED):
        assert any(compared), "no frame was rendered by Blender"
    for both in filter(None, compared):
        assert min(both) > 0.95, f"{both[0]:.3f} of Blender's ink, {both[1]:.3f} of ours"


# --- what strokes do express ----------------------------------------------------------------------------------------


def hide_group(ob, mask):
    group = ob.data.layer_groups.new("Group")
    ob.data.layers.move_to_layer_group(mask, group)
    group.hide = True


@pytest.mark.parametrize(
    "change",
    [
        lambda ob, lines, mask: setattr(mask, "hide", True),
        lambda ob, lines, mask: setattr(lines.mask_layers[0], "hide", True),
        lambda ob, lines, mask: setattr(lines, "use_masks", False),
        lambda ob, lines, mask: hide_group(ob, mask),
        lambda ob, lines, mask: ob.data.layers.remove(mask),
    ],
)
def test_masks_that_cut_nothing_leave_strokes(scene, change):
    change(*add_masked(scene))
    shot = gather(scene, (FIRST, FIRST + 5))
    assert [drawing.picture for drawing in shot.drawings.values()] == [None] * 3


def test_materials_that_nothing_visible_wears_leave_strokes(scene):
    ob = add_figure(scene)
    for name in ("Dots", "Squares", "Eraser", "Filled Eraser"):
        ob.data.materials.append(figures.material(name))
    dots, squares, eraser, filled = (material.grease_pencil for material in list(ob.data.materials)[1:])
    dots.mode, squares.mode, eraser.use_stroke_holdout, filled.use_fill_holdout = "DOTS", "BOX", True, True
    figures.add_layer(ob.data, "Invisible", (FIRST,), [(figures.arc((0, 0), 1), 0.05, True)], material=1, opacity=0.0)
    figures.add_layer(ob.data, "Lines of it", (FIRST,), [(figures.arc((0, 0), 1), 0.05, True)], material=4)
    shot = gather(scene, (FIRST, FIRST + 5))
    assert [drawing.picture for drawing in shot.drawings.values()] == [None] * 3


def test_boxes_are_rendered_where_they_are_used(scene):
    ob = add_figure(scene)
    ob.data.materials.append(figures.material("Squares"))
    ob.data.materials[1].grease_pencil.mode = "BOX"
    figures.add_layer(ob.data, "Later", (FIRST + 4,), [(figures.arc((0, 0), 1), 0.05, True)], material=1)
    shot = gather(scene, (FIRST, FIRST + 5))
    kinds = [shot.drawings[exposure.drawings[0]].picture is not None for exposure in shot.exposures]
    assert kinds == [False, False, DOTTED]


# --- whose time it is -----------------------------------------------------------------------------------------------


def test_a_scene_that_no_window_shows_has_its_own_time(scene):
    ob = add_masked(scene)[0]
    figures.add_layer(ob.data, "More", KEYS, [(figures.arc((-1, 0), 0.4), 0.05, True)])
    other = scene.copy()
    scene.frame_set(FIRST)
    shot = gather(other, (FIRST, FIRST + 5))
    assert [(exposure.frame, exposure.exposure) for exposure in shot.exposures] == [(frame, 2) for frame in KEYS]
    for frame in KEYS:
        assert min(compare_frame(shot, render_frame(scene, frame), frame)) > 0.95


def test_strokes_heed_time_remapping(scene):
    add_figure(scene, keys=(1, 2, 3))
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 300
    shot = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(1, 12))
    assert [(exposure.frame, exposure.exposure) for exposure in shot.exposures] == [(1, 2), (3, 3), (6, 3), (9, 4)]


def test_a_held_mask_is_one_drawing(scene):
    see_flat(scene)
    animate(add_masked(scene, keys=(FIRST,), radius=9)[2], "translation", {FIRST: 0.0, FIRST + 5: 0.5}, 0)
    shot = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(FIRST, FIRST + 3))
    assert len(shot.drawings) == len(shot.exposures) == 1, "the mask moves, and what is seen does not"


def test_neither_fills_nor_masks_hide_what_lies_behind(scene):
    """Both are seen by nobody; and fills of farther objects hide nothing where strokes are read, either."""
    see_flat(scene)
    far = add_figure(scene, keys=(FIRST,))
    far.location.y = 3
    behind = gather(scene, (FIRST, FIRST))
    near = add_masked(scene, keys=(FIRST,), radius=9)[0]
    near.location.x = 50
    near.data.layers["Mask"].translation = (-50, 0, 0)
    near.data.layers.move_bottom(add_filled(near, "Paint", (FIRST,), (-50, 0), 9))
    (drawing,) = gather(scene, (FIRST, FIRST)).drawings.values()
    ink = find_ink(module("operators.scene.png").decode_png(drawing.picture))
    (strokes,) = (drawing.strokes for drawing in behind.drawings.values())
    inside = ((strokes.points > 0) & (strokes.points < SIZE)).all(1)
    x, y = strokes.points[inside].astype(int).T
    assert len(x) > 40 and widen(ink)[y, x].all()


def test_white_lines_are_seen_through_masks(scene):
    see_flat(scene)
    ob = add_masked(scene, keys=(FIRST,), radius=9)[0]
    ob.data.materials[0].grease_pencil.color = (1, 1, 1, 1)
    (drawing,) = gather(scene, (FIRST, FIRST)).drawings.values()
    pixels = module("operators.scene.png").decode_png(drawing.picture)
    opaque = pixels[pixels[:, :, 3] > 250]
    assert len(opaque) > 200 and (opaque[:, :3] == 255).all()
