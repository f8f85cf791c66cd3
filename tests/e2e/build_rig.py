"""Run by Blender: a shot with Rigify's own human, generated and animated, and save it to the path after `--`. 320 x 480 px, frames 1 to 8.

With a second path, frame 5 is rendered there: a box for each deforming bone, red for the right and green for the left side.
"""

import math
import sys
from pathlib import Path

import addon_utils
import bpy

target, *picture = sys.argv[sys.argv.index("--") + 1 :]
addon_utils.enable("rigify", default_set=True)
for ob in list(bpy.data.objects):
    bpy.data.objects.remove(ob)
bpy.ops.object.armature_human_metarig_add()
metarig = bpy.context.object
bpy.ops.pose.rigify_generate()
rig = bpy.context.object
rig.name = "RIG"
bpy.data.texts["rig_ui.py"].use_module = False  # otherwise Blender asks whether it may run
bpy.data.objects.remove(metarig)
for name, (start, end) in {"hand_ik.L": ((0, 0, 0), (0.1, 0.1, 0.5)), "foot_ik.R": ((0, 0, 0), (0.1, -0.3, 0.3))}.items():
    bone = rig.pose.bones[name]
    for frame, place in ((1, start), (7, end)):
        bone.location = place
        bone.keyframe_insert("location", frame=frame)

scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = 320, 480
scene.frame_start, scene.frame_end = 1, 8
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location, camera.rotation_euler = (0, -5, 1.0), (math.pi / 2, 0, 0)
camera.data.sensor_fit, camera.data.sensor_height, camera.data.lens = "VERTICAL", 24, 40
scene.collection.objects.link(camera)
scene.camera = camera

for bone in rig.data.bones:
    if picture and bone.name.startswith("DEF-"):
        radius = 0.09 if bone.name == "DEF-spine.006" else max(0.006, min(0.05, 0.2 * bone.length))
        corners = [(x * radius, y * bone.length, z * radius) for x in (-1, 1) for y in (0, 1) for z in (-1, 1)]
        mesh = bpy.data.meshes.new(bone.name)
        mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
        box = bpy.data.objects.new(bone.name, mesh)
        scene.collection.objects.link(box)
        hang = box.constraints.new("COPY_TRANSFORMS")
        hang.target, hang.subtarget = rig, bone.name
        right, left = ".R" in bone.name, ".L" in bone.name
        box.color = (0.9, 0.3, 0.3, 1) if right else (0.3, 0.7, 0.4, 1) if left else (0.6, 0.6, 0.7, 1)
if picture:
    scene.frame_set(5)
    scene.render.engine, scene.display.shading.color_type, scene.render.film_transparent = "BLENDER_WORKBENCH", "OBJECT", True
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.render.filepath = picture[0]
    bpy.ops.render.render(write_still=True)
    scene.frame_set(1)
scene.view_layers[0].objects.active = rig
Path(target).parent.mkdir(parents=True, exist_ok=True)
bpy.ops.wm.save_as_mainfile(filepath=target)
