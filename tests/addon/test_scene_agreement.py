"""What Shiage reads of a drawing is what Blender draws: strokes rasterized by the engine against Blender's own render, case by case."""

import json
import os
import subprocess
from pathlib import Path

import bpy
import figures
import numpy as np
import pytest
from conftest import REPOSITORY, module

SIZE = (512, 320)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def plain(scene):
    figures.add(scene)


@case
def moved_turned_and_scaled_unevenly(scene):
    ob = figures.add(scene)
    ob.location, ob.rotation_euler, ob.scale = (0.4, 1, -0.2), (0.2, 0.4, 0.3), (1.2, 0.7, 0.8)


@case
def parented_object(scene):
    ob, parent = figures.add(scene), bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    ob.parent = parent
    parent.location, parent.rotation_euler, parent.scale = (0.5, 0, 0.2), (0, 0.5, 0), (0.8, 0.8, 0.8)


@case
def layer_transform(scene):
    layer = figures.add(scene).data.layers[0]
    layer.translation, layer.rotation, layer.scale = (0.4, 0, 0.2), (0.1, 0.6, 0), (0.6, 1, 0.9)


@case
def layer_parented_to_object(scene):
    ob, parent = figures.add(scene), bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    ob.data.layers[0].parent = parent
    parent.location, parent.rotation_euler = (0.6, 0, 0.2), (0, 0.5, 0)


@case
def layer_parented_to_bone(scene):
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("Head")
    bone.head, bone.tail = (0, 0, -1), (0, 0, 0)
    bpy.ops.object.mode_set(mode="OBJECT")
    layer = figures.add(scene).data.layers[0]
    layer.parent, layer.parent_bone = rig, "Head"
    rig.location = (0.3, 0, 0.2)
    rig.pose.bones["Head"].rotation_mode = "XYZ"
    rig.pose.bones["Head"].rotation_euler = (0.2, 0.1, 0.6)


@case
def hidden_layer_and_group(scene):
    data = figures.add(scene).data
    figures.add_layer(data, "Hidden", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)]).hide = True
    group = data.layer_groups.new("Group")
    data.layers.move_to_layer_group(figures.add_layer(data, "Inside", strokes=[(figures.arc((-1, 0), 0.5), 0.02, True)]), group)
    group.hide = True


@case
def hidden_material(scene):
    ob = figures.add(scene)
    ob.data.materials.append(figures.material("Hidden"))
    ob.data.materials[1].grease_pencil.hide = True
    figures.add_layer(ob.data, "More", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)], material=1)


@case
def no_material(scene):
    figures.add(scene).data.materials.clear()


@case
def held_drawing(scene):
    figures.add(scene, keys=(1, 4, 9))
    scene.frame_set(6)


@case
def several_layers_with_opacity(scene):
    data = figures.add(scene).data
    figures.add_layer(data, "More", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)]).opacity = 0.8


@case
def stroke_opacity_and_vertex_color(scene):
    figures.add(scene, opacity=0.75, color=(1, 0, 0, 0.8))


@case
def catmull_rom(scene):
    figures.add(scene, kind=figures.CATMULL_ROM)


@case
def catmull_rom_coarse(scene):
    ob = figures.add(scene, kind=figures.CATMULL_ROM, strokes=[(figures.arc((0, 0), 1.2, count=6)[:-1], 0.02, True)])
    drawing = ob.data.layers[0].frames[0].drawing
    drawing.attributes.new("resolution", "INT", "CURVE").data.foreach_set("value", [3])


@case
def bezier(scene):
    points = np.array([(-1, 0, 0), (0, 0, 0.6), (1, 0, -0.2)], float)
    side = np.array([(0.4, 0, 0.5)] * 3)
    figures.add(
        scene,
        kind=figures.BEZIER,
        strokes=[
            (points, 0.02, False, points - side, points + side),
            (points * 0.5, 0.015, True, (points - side) * 0.5, (points + side) * 0.5),
        ],
    )


@case
def nurbs(scene):
    points = np.array([(-1.4, 0, 0), (-0.7, 0, 1), (0, 0, -1), (0.7, 0, 1), (1.4, 0, 0)], float)
    figures.add(scene, kind=figures.NURBS, strokes=[(points, 0.02, False), (points * 0.7 + (0, 0, 0.3), 0.015, True)])


@case
def nurbs_to_its_ends(scene):
    points = np.array([(-1.4, 0, 0), (-0.7, 0, 1), (0, 0, -1), (0.7, 0, 1), (1.4, 0, 0)], float)
    ob = figures.add(scene, kind=figures.NURBS, strokes=[(points, 0.02, False)])
    ob.data.layers[0].frames[0].drawing.attributes.new("knots_mode", "INT8", "CURVE").data.foreach_set("value", [1])


@case
def single_points(scene):
    figures.add(
        scene, strokes=[*figures.figure(), (np.array([(1.6, 0, 1)], float), 0.05, False), (np.array([(-1.6, 0, 1)], float), 0.03, True)]
    )


@case
def orthographic(scene):
    figures.add(scene)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 5


@case
def long_lens_shifted(scene):
    figures.add(scene)
    scene.camera.data.lens, scene.camera.data.shift_x, scene.camera.data.shift_y = 70, 0.1, -0.05


@case
def vertical_fit(scene):
    figures.add(scene)
    scene.camera.data.sensor_fit = "VERTICAL"


@case
def pixel_aspect(scene):
    figures.add(scene)
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = 1, 1.5


@case
def scaled_turned_camera(scene):
    figures.add(scene)
    scene.camera.scale, scene.camera.rotation_euler = (3, 2, 0.5), (1.5, 0.3, 0.05)


@case
def strokes_behind_the_camera(scene):
    ways = [np.linspace((x, 0, -1.2), (x, -14, 1.0), 40) for x in (-1, 0.3, 1)]
    figures.add(
        scene, strokes=[*figures.figure(), *((way, 0.02, False) for way in ways), (np.array([(0, -20, 0), (1, -21, 0)], float), 0.1, False)]
    )


@case
def strokes_out_of_the_picture(scene):
    far = [(np.array([(-400, 0, 0.9), (400, 0, 1.1), (0, 0, -300)], float), 0.02, True), (figures.arc((40, 0), 5), 0.1, True)]
    figures.add(scene, strokes=[*figures.figure(), *far])


@case
def array_modifier(scene):
    modifier = figures.add(scene).modifiers.new("Array", "GREASE_PENCIL_ARRAY")
    modifier.count, modifier.relative_offset = 3, (0.4, 0, 0.1)


@case
def mirror_modifier(scene):
    ob = figures.add(scene, strokes=[(points + (1.2, 0, 0), *rest) for points, *rest in figures.figure()])
    ob.modifiers.new("Mirror", "GREASE_PENCIL_MIRROR")


@case
def thickness_and_offset_modifiers(scene):
    ob = figures.add(scene)
    ob.modifiers.new("Thickness", "GREASE_PENCIL_THICKNESS").thickness_factor = 1.8
    ob.modifiers.new("Offset", "GREASE_PENCIL_OFFSET").location = (0.3, 0, 0.2)


@case
def subdivide_and_noise_modifiers(scene):
    ob = figures.add(scene)
    ob.modifiers.new("Subdivide", "GREASE_PENCIL_SUBDIV")
    ob.modifiers.new("Noise", "GREASE_PENCIL_NOISE").factor = 0.4


@case
def geometry_nodes_instances(scene):
    group = bpy.data.node_groups.new("Twice", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    start, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    line, copies = group.nodes.new("GeometryNodeMeshLine"), group.nodes.new("GeometryNodeInstanceOnPoints")
    line.inputs["Count"].default_value = 2
    line.inputs["Offset"].default_value = (0.9, 0, 0.3)
    group.links.new(line.outputs[0], copies.inputs["Points"])
    group.links.new(start.outputs[0], copies.inputs["Instance"])
    group.links.new(copies.outputs[0], end.inputs[0])
    figures.add(scene).modifiers.new("Nodes", "NODES").node_group = group


@case
def collection_instance(scene):
    ob = figures.add(scene)
    inside = bpy.data.collections.new("Inside")
    inside.objects.link(ob)
    scene.collection.objects.unlink(ob)
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", inside
    empty.location, empty.rotation_euler, empty.scale = (0.5, 0, 0.2), (0, 0.4, 0), (0.7, 0.7, 0.7)
    scene.collection.objects.link(empty)


@case
def two_objects(scene):
    figures.add(scene, "Far").location.y = 3
    figures.add(scene, "Near").scale = (0.5, 0.5, 0.5)


# What strokes can't express: Shiage lets Blender render it.


@case
def masked_layer(scene):
    """Seen only within the white fill of another layer, which has no line."""
    ob = bpy.context.view_layer.objects.active = figures.add(scene)
    ob.data.materials.append(figures.material("Paper", line=False, fill=True))
    ob.data.materials[1].grease_pencil.fill_color = (1, 1, 1, 1)
    mask = figures.add_layer(ob.data, "Mask", strokes=[(figures.arc((0.5, 0), 0.9, count=40), 0.01, True)], material=1)
    if bpy.app.version >= (5, 1, 0):
        attributes = mask.frames[0].drawing.attributes
        attributes.new("fill_id", "INT", "CURVE").data.foreach_set("value", [1])
        attributes.new("hide_stroke", "BOOLEAN", "CURVE").data.foreach_set("value", [True])
    ob.data.layers.move_bottom(mask)
    ob.data.layers["Lines"].use_masks = True
    ob.data.layers.active = ob.data.layers["Lines"]
    bpy.ops.grease_pencil.layer_mask_add(name="Mask")
    assert len(ob.data.layers["Lines"].mask_layers) == 1


@case
def dots(scene):
    ob = figures.add(scene)
    ob.data.materials[0].grease_pencil.mode = "DOTS"


# --- the comparison -----------------------------------------------------------------------------------------------

COMPARE = """
import json, sys
from pathlib import Path
import cv2, numpy as np
from engine import job
from engine.drawing.sketch import raster, scan, strokes

answers = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    rgba = cv2.imread(str(folder / "blender.png"), cv2.IMREAD_UNCHANGED) / 255
    ink = rgba[:, :, 3] * (1 - rgba[:, :, :3].min(2))  # what white paper would show
    truth = ink > ink.max() / 2
    request = job.load_job(folder)
    drawn = np.zeros(truth.shape, bool)
    for drawing_id in request.frames[0].drawings:
        drawing = request.drawing(drawing_id)
        path = folder / drawing.file
        if drawing.kind == "strokes":
            drawn |= raster.rasterize_strokes(strokes.load_strokes(path), request.size).lines
        else:
            drawn |= scan.read_scan(path, request.size).lines
    wide = np.ones((3, 3), np.uint8)
    right = (drawn & cv2.dilate(truth.astype(np.uint8), wide).astype(bool)).sum() / max(1, drawn.sum())
    found = (truth & cv2.dilate(drawn.astype(np.uint8), wide).astype(bool)).sum() / max(1, truth.sum())
    picture = np.full((*truth.shape, 3), 255, np.uint8)
    picture[truth & drawn] = 0
    picture[truth & ~drawn] = (255, 80, 0)
    picture[drawn & ~truth] = (0, 80, 255)
    cv2.imwrite(str(folder / "compared.png"), picture)
    answers[folder.name] = {"F": 2 * right * found / max(1e-9, right + found), "pixels": int(truth.sum()), "kind": drawing.kind}
print(json.dumps(answers))
"""


def engine_python():
    return Path(os.environ.get("SHIAGE_ENGINE_PYTHON", REPOSITORY / ".venv" / "engine" / "bin" / "python"))


@pytest.fixture(scope="module")
def answers(extension, tmp_path_factory):
    """Each case built, read, rendered by Blender, and then all of them compared by the engine's own rasterizer."""
    from conftest import new_scene

    if not engine_python().is_file():
        pytest.skip("needs the engine's environment: make .venv/engine")
    shot, request = module("operators.scene.read.shot"), module("operators.scene.read.request")
    root = tmp_path_factory.mktemp("agreement")
    reference = root.parent / "reference.png"
    reference.write_bytes(b"not looked at here")
    for name, build in CASES.items():
        scene = new_scene()
        build(scene)
        bpy.context.view_layer.update()
        frame = scene.frame_current
        gathered = shot.gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=(frame, frame))
        request.write_job(gathered, root / name, "flats", {}, [reference])
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.render.film_transparent = True
        scene.render.image_settings.file_format = "PNG"
        scene.render.image_settings.color_mode = "RGBA"
        scene.render.filepath = str(root / name / "blender.png")
        bpy.ops.render.render(write_still=True)
    command = [str(engine_python()), "-c", COMPARE, str(root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_blender(answers, name):
    answer = answers[name]
    assert answer["pixels"] > 400
    assert answer["F"] >= 0.99, f"see compared.png of {name}"
    assert (answer["kind"] == "raster") == (name == "masked_layer" or name == "dots" and bpy.app.version < (5, 2, 0))
