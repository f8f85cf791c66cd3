"""Colored frames into the .blend: an image strip in the Sequencer, or a plane that fills the camera's view under the lines.

Both know their job by the folder that their pictures lie in: importing a job again brings what is there up to date, in place. Nothing
here pushes an undo step; the operator that calls it is one.
"""

import os
import shutil
import statistics
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ....engine import job
from ....engine.job.errors import BadInput, JobFailed
from ....engine.job.files import identify_folder, write_atomic
from .. import compat, png
from ..read import camera
from ..read.stepping import step_through_frames

BLANK = "blank.png"  # stands for a picture that is not made yet: an image strip can't have a gap


def import_strip(scene: bpy.types.Scene, folder: Path):
    """The frames of a job as one image strip of `scene`, held as the drawings are held. Frames that are not finished are transparent.

    A new strip goes to the lowest channel that is free over the whole range. On a re-run the strips of the job get the new pictures and
    the new timing; channel, name, transform, blending, muting and trimmed ends stay. Raises BadInput when there is no picture.
    """
    first, names = _list_pictures(folder)
    directory = folder / "frames"
    if BLANK in names:
        write_atomic(directory / BLANK, _encode_blank(job.load_job(folder).size))
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = compat.get_strips(editor)
    ours = [
        strip for strip in compat.all_strips(editor) if strip.type == "IMAGE" and _same_folder(bpy.path.abspath(strip.directory), directory)
    ]
    for strip in ours:
        _update_strip(editor, strip, first, names)
        if strip in list(strips) and not _is_free(strips, strip.channel, *compat.strip_range(strip), but=strip):
            strip.channel = _free_channel(strips, *compat.strip_range(strip))
    if not ours:
        channel = _free_channel(strips, first, first + len(names))
        strip = strips.new_image(
            name=f"{job.load_job(folder).title or folder.name} colored",
            filepath=str(directory / names[0]),
            channel=channel,
            frame_start=first,
            fit_method="FIT",
        )
        strip.directory = _make_relative(directory) + os.sep
        _set_files(editor, strip, names)
        compat.place_strip(strip, first, first + len(names))
        ours = [strip]
    compat.show_in_sequencer(scene)
    return ours[0]


def _update_strip(editor, strip, first: int, names: list[str]) -> None:
    before, start, count = compat.strip_range(strip), compat.content_start(strip), len(strip.elements)
    trimmed = before != (start, start + count)
    _set_files(editor, strip, names)
    compat.place_strip(strip, first, first + len(names))
    if trimmed and before[0] < first + len(names) and before[1] > first:
        compat.trim_strip(strip, *before)
    compat.forget_pictures(strip)


def _set_files(editor, strip, names: list[str]) -> None:
    """Let a strip show these files of its folder, frame by frame. By the operator: what `strip.elements.append` adds has a size that
    was never set, and Blender crashes when it draws the stand-in for a picture of such a size that is missing."""
    if len(strip.elements) != len(names):
        scene, directory, active = editor.id_data, strip.directory, editor.active_strip
        editor.active_strip = strip
        with bpy.context.temp_override(scene=scene, sequencer_scene=scene):
            bpy.ops.sequencer.change_path(directory=bpy.path.abspath(directory), files=[{"name": name} for name in names])
        strip.directory = directory
        editor.active_strip = active
    for element, name in zip(strip.elements, names, strict=True):  # from 5.2 on the operator sorts them
        element.filename = name


def _is_free(strips, channel: int, start: int, end: int, but=None) -> bool:
    others = (compat.strip_range(other) for other in strips if other.channel == channel and other != but)
    return all(right <= start or left >= end for left, right in others)


def _free_channel(strips, start: int, end: int) -> int:
    for channel in range(1, 129):
        if _is_free(strips, channel, start, end):
            return channel
    raise BadInput("The Sequencer has no channel that is free over the whole shot: move or remove a strip.")


# --- the camera plane ---------------------------------------------------------------------------------------------


def import_plane(scene: bpy.types.Scene, folder: Path) -> bpy.types.Object:
    """The frames of a job on a plane that fills the view of the scene's camera, behind the farthest drawing of the shot.

    Colors are exact where the scene shows them so, see `colors.find_difference`. Before and after the shot the plane is transparent.
    It follows a moving camera, but is made for the lens of the present frame. Raises BadInput when there is no picture
    or no camera.
    """
    first, names = _list_pictures(folder)
    request = job.load_job(folder)
    directory = _link_frames(folder, names, request.size)
    corners = _place_corners(scene, request)
    owned = [(ob, node) for ob in scene.objects if ob.type == "MESH" for node in _sequence_nodes(ob, directory)]
    if owned:
        plane, node = owned[0]
        if len(plane.data.vertices) == 4:
            plane.data.vertices.foreach_set("co", [value for corner in corners for value in corner])
            plane.data.update()
    else:
        plane, node = _new_plane(scene, request.title or folder.name, corners, directory)
    node.image.reload()
    user = node.image_user
    user.frame_start = first - 1  # the first and the last file are blank: Blender holds them before and after the range
    user.frame_duration = len(names) + 2
    user.frame_offset = 0
    user.use_auto_refresh = True
    return plane


def _link_frames(folder: Path, names: list[str], size: tuple[int, int]) -> Path:
    """A folder with one numbered file for each scene frame, and a blank one at either end: what an image sequence needs."""
    directory = folder / "plane"
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        blank = directory / "0001.png"
        write_atomic(blank, _encode_blank(size))
        for number, name in enumerate([*names, BLANK], start=2):
            _link_file(blank if name == BLANK else folder / "frames" / name, directory / f"{number:04d}.png")
    except OSError as error:
        raise JobFailed(f"Could not write {directory}: {error.strerror}; free some space or choose another output folder.") from error
    return directory


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _place_corners(scene: bpy.types.Scene, request: job.Job) -> list[tuple[float, float, float]]:
    """The four corners of the picture in the camera's space, counterclockwise from the bottom left: behind all that is drawn, or where the
    armature stands that has moved the character."""
    view_layer = scene.view_layers[0]
    armature = scene.shiage.rig.armature if request.task == "animate" else None
    deepest = 0.0
    depths = []
    with step_through_frames(scene) as go_to:
        for exposure in request.frames:
            go_to(exposure.frame)
            projection = camera.of_scene(scene, view_layer.depsgraph, request.size)
            for instance in (found for layer in scene.view_layers for found in layer.depsgraph.object_instances):
                if instance.object.type == "GREASEPENCIL":
                    corners = (instance.matrix_world @ Vector(corner) for corner in instance.object.bound_box)
                    deepest = max(deepest, *(projection.depth(corner) for corner in corners))
            if armature is not None:
                figure = armature.evaluated_get(view_layer.depsgraph)
                depths += [projection.depth(figure.matrix_world @ bone.head) for bone in figure.pose.bones]
    seen = scene.camera.evaluated_get(view_layer.depsgraph)
    nearest, farthest = seen.data.clip_start, seen.data.clip_end
    wanted = statistics.fmean(depths) if depths else deepest * 1.01
    depth = min(max(wanted, nearest * 1.01), farthest * 0.99)
    return camera.compute_corners(scene, view_layer.depsgraph, request.size, depth)


def _sequence_nodes(ob: bpy.types.Object, directory: Path) -> list[bpy.types.ShaderNodeTexImage]:
    """The texture nodes of an object that show pictures of `directory`."""
    trees = [slot.material.node_tree for slot in ob.material_slots if slot.material is not None and slot.material.node_tree is not None]
    nodes = [node for tree in trees for node in tree.nodes if node.type == "TEX_IMAGE" and node.image is not None]
    return [node for node in nodes if _same_folder(os.path.dirname(bpy.path.abspath(node.image.filepath)), directory)]


def _new_plane(scene, name: str, corners, directory: Path) -> tuple[bpy.types.Object, bpy.types.ShaderNodeTexImage]:
    mesh = bpy.data.meshes.new(f"{name} colored")
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new()
    layer.data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    material, node = _new_material(mesh.name, directory)
    mesh.materials.append(material)
    plane = bpy.data.objects.new(mesh.name, mesh)
    scene.collection.objects.link(plane)
    plane.parent = scene.camera
    world = scene.camera.matrix_world
    plane.matrix_parent_inverse = world.inverted() @ world.normalized()  # the camera's scale does not change what it sees
    return plane, node


def _new_material(name: str, directory: Path) -> tuple[bpy.types.Material, bpy.types.ShaderNodeTexImage]:
    """A material that shows a sequence's colors as they are, lit by nothing, and is transparent where the pictures are."""
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    material.surface_render_method = "BLENDED"
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    kinds = ("ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeBsdfTransparent", "ShaderNodeMixShader", "ShaderNodeOutputMaterial")
    texture, emission, transparent, mix, output = (nodes.new(kind) for kind in kinds)
    for node, place in zip((texture, emission, transparent, mix, output), ((0, 0), (300, -60), (300, 60), (500, 0), (700, 0)), strict=True):
        node.location = place
    links.new(texture.outputs["Color"], emission.inputs["Color"])
    links.new(texture.outputs["Alpha"], mix.inputs[0])
    links.new(transparent.outputs[0], mix.inputs[1])
    links.new(emission.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], output.inputs["Surface"])
    texture.image = bpy.data.images.load(str(directory / "0001.png"))
    texture.image.name = name
    texture.image.source = "SEQUENCE"
    texture.image.filepath = _make_relative(directory / "0001.png")
    texture.extension = "CLIP"
    return material, texture


# --- files --------------------------------------------------------------------------------------------------------


def _list_pictures(folder: Path) -> tuple[int, list[str]]:
    """The job's first frame, and a file name in its frames/ for each frame from there on; BLANK for what is not finished."""
    request = job.load_job(folder)
    result = job.read_result(folder)
    finished = None if result is None else {picture["file"] for picture in result.get("pictures", [])}
    files = {
        drawings: Path(file).name
        for drawings, file in job.list_pictures(request).items()
        if (finished is None or file in finished) and (folder / file).is_file()
    }
    if not files:
        raise BadInput(f"No frame of '{request.title or folder.name}' is finished yet: run the job first.")
    names = [files.get(exposure.drawings, BLANK) for exposure in request.frames for _ in range(exposure.exposure)]
    return request.frames[0].frame, names


def _make_relative(path: Path) -> str:
    """The path as a saved .blend keeps it (//…), absolute where there is no such way to it."""
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:  # another drive of Windows
        return str(path)


def _same_folder(one: str, other: Path) -> bool:
    return identify_folder(one) == identify_folder(other)


def _encode_blank(size: tuple[int, int]) -> bytes:
    return png.encode_png(np.zeros((size[1], size[0], 4), np.uint8))
