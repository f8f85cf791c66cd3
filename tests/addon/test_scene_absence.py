"""What is told when there is nothing to color: what it is, by name, and what to do."""

import bpy
import figures
import numpy as np
import pytest
from conftest import module
from test_scene_pictures import add_filled, add_mask, see_flat

SIZE = (192, 120)


def told(scene, frames=(1, 4), objects=None) -> str:
    with pytest.raises(module("engine.job.errors").BadInput) as caught:
        module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=frames, objects=objects)
    return str(caught.value)


def obstacle(scene) -> str:
    bpy.context.view_layer.update()
    return module("operators.colorize").find_obstacle(scene, bpy.context.view_layer)


def add_cube(scene):
    """Something with a modifier, that could bring in drawings and does not."""
    mesh = bpy.data.meshes.new("Cube")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
    cube = bpy.data.objects.new("Cube", mesh)
    cube.modifiers.new("Subdivision", "SUBSURF")
    scene.collection.objects.link(cube)


def fade_lines(ob, name="opacity", domain="POINT"):
    for layer in ob.data.layers:
        for frame in layer.frames:
            attributes = frame.drawing.attributes
            attribute = attributes.get(name) or attributes.new(name, "FLOAT", domain)
            attribute.data.foreach_set("value", np.zeros(len(attribute.data), np.float32))


def test_no_grease_pencil_at_all(scene):
    add_cube(scene)
    assert "no Grease Pencil object in the scene 'Scene'" in told(scene)


def test_objects_of_another_kind(scene):
    figures.add(scene)
    assert told(scene, objects=[scene.camera]) == "Camera is no Grease Pencil object: choose one that is."


def test_hidden_objects(scene):
    add_cube(scene)
    figures.add(scene).hide_render = True
    assert "Every Grease Pencil object is hidden" in told(scene)


def test_fills_alone(scene):
    ob = figures.add(scene, strokes=[])
    ob.data.layers.remove(ob.data.layers["Lines"])
    add_filled(ob, "Flame", keys=(1, 3))
    assert told(scene).startswith("There is nothing but fills on Flame from frame 1 to 4: draw outlines")


def test_fills_whose_lines_are_transparent(scene):
    ob = figures.add(scene)
    ob.data.layers.remove(ob.data.layers["Lines"])
    add_filled(ob, "Flame", (1,), line=True)
    fade_lines(ob)
    assert "nothing but fills on Flame" in told(scene)


@pytest.mark.parametrize("how", ["opacity", "radius", "material", "vertex"])
def test_lines_that_nobody_sees(scene, how):
    ob = figures.add(scene)
    if how == "material":
        ob.data.materials[0].grease_pencil.color = (0, 0, 0, 0)
    elif how == "vertex":
        opacity = ob.modifiers.new("Opacity", "GREASE_PENCIL_OPACITY")
        opacity.color_factor = 0
    else:
        fade_lines(ob, how)
    assert "The lines of Lines can't be seen" in told(scene)


def test_a_line_that_nobody_sees_bounds_nothing(scene):
    ob = figures.add(scene)
    seen = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(1, 1))
    faded = figures.add_layer(ob.data, "Faded", strokes=[(figures.arc((0, 0), 1.4), 0.02, True)], opacity=0.0)
    both = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(1, 1))
    assert list(seen.drawings) == list(both.drawings)
    figures.write(faded.frames[0].drawing, [(figures.arc((0, 0), 1.4), 0.02, True)], opacity=0.5)
    bpy.context.view_layer.update()
    shown = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(1, 1))
    assert list(seen.drawings) != list(shown.drawings)


def test_all_on_layers_that_are_rough(scene):
    ob = figures.add(scene, layer="Ball rough")
    figures.add_layer(ob.data, "Fills", keys=(), strokes=[])
    text = "All that is drawn lies on the layer Ball rough (rough), which takes no part: rename it if it is the final line art."
    assert told(scene) == text
    assert obstacle(scene) == text.removesuffix(".")


def test_layers_left_out_for_several_reasons(scene):
    ob = figures.add(scene, layer="Rough")
    figures.add_layer(ob.data, "Ink").hide = True
    text = told(scene)
    assert "Rough (rough) and Ink (hidden)" in text and "rename it" in text and "show it" in text


def test_no_keys_on_the_visible_layers(scene):
    ob = figures.add(scene, keys=())
    figures.add_layer(ob.data, "Colors", keys=())
    assert told(scene) == "There is no drawing on the layers Lines and Colors: draw on them, or choose other objects."


def test_drawings_at_other_frames(scene):
    figures.add(scene, keys=(101, 110))
    assert told(scene) == ("Nothing is drawn from frame 1 to 4: choose other frames, the drawings of Figure lie at frames 101 to 110.")


def test_outside_of_the_picture(scene):
    figures.add(scene).location.x = 100
    assert "The camera sees none of the lines" in told(scene)


@pytest.mark.parametrize("invert", [True, False])
def test_masks_that_cover_everything(scene, invert):
    see_flat(scene)
    ob = figures.add(scene)
    mask = add_filled(ob, "Mask", (1,), radius=9) if invert else figures.add_layer(ob.data, "Mask", keys=())
    add_mask(ob, ob.data.layers["Lines"], mask, invert)
    assert "Masks or erasers hide every line from frame 1 to 4" in told(scene)


class TestInbetween:
    def parts(self, scene, ob):
        with pytest.raises(module("engine.job.errors").BadInput) as caught:
            module("operators.scene.inbetween.betweens").find_parts(scene, [ob])
        return str(caught.value)

    @pytest.mark.parametrize("keys", ["PLAYHEAD", "RANGE"])
    def test_the_keys_lie_on_a_layer_that_takes_no_part(self, scene, keys):
        scene.shiage.inbetween.keys = keys
        scene.shiage.inbetween.frame_start, scene.shiage.inbetween.frame_end = 1, 9
        ob = figures.add(scene, keys=(), layer="Fills")
        figures.add_layer(ob.data, "Rough", keys=(1, 9))
        assert "lies on the layer Rough (rough)" in self.parts(scene, ob)

    def test_a_layer_with_keys_is_told_before_one_without(self, scene):
        scene.shiage.inbetween.keys = "RANGE"
        scene.shiage.inbetween.frame_start, scene.shiage.inbetween.frame_end = 1, 9
        ob = figures.add(scene, keys=(), layer="Fills")
        figures.add_layer(ob.data, "Lines", keys=(1,))
        assert "There are no two keys of Lines" in self.parts(scene, ob)
