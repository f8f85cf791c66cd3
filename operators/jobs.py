"""What a person does with a job: cancel, retry, import, look at its folder; and the import that happens by itself at the end."""

import glob
import re
from collections.abc import Callable

import bpy
from bpy.app.handlers import persistent
from bpy.props import IntProperty, StringProperty

from ..engine import job as jobs
from ..engine.job.errors import BadInput, ShiageError
from . import session
from .scene import colors, settings
from .scene.inbetween import fills
from .scene.place import timeline

on_import: list[Callable[[], None]] = []  # called when strokes have been put into the file


def import_pictures(entry: session.JobEntry, scene: bpy.types.Scene):
    """Put what a job has finished where its shot wants it; returns the strip, the plane or the filled layers, each with its name. Raises
    ShiageError."""
    if fills.has_strokes(entry.folder):
        found = fills.import_strokes(scene, entry.folder)
        entry.remark = found.text
        for function in on_import:
            function()
    elif entry.destination == "PLANE":
        found = timeline.import_plane(scene, entry.folder)
        entry.remark = f"The plane '{found.name}' lies under the lines."
    else:
        found = timeline.import_strip(scene, entry.folder)
        entry.remark = f"The strip '{found.name}' is in the Sequencer, on channel {found.channel}."
    entry.wants_import = False
    return found


def find_color_difference(entry: session.JobEntry, scene: bpy.types.Scene) -> str:
    """That the scene shows a job's pictures in other colors than they have, in a sentence; '' when it does not, or when there are none."""
    return colors.find_difference(scene) if entry.destination != "STROKES" else ""


class _JobOperator:
    """An operator about one job, named by its folder."""

    bl_options = {"REGISTER", "INTERNAL"}
    folder: StringProperty(name="Job Folder", subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        entry = session.find_entry(self.folder)
        if entry is None:
            self.report({"ERROR"}, "This job is no longer in the list: open its .blend file again to find it")
            return {"CANCELLED"}
        try:
            self.act(context, entry)
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            session.redraw_sidebars(at_once=True)
        return {"FINISHED"}


class SHIAGE_OT_cancel_job(_JobOperator, bpy.types.Operator):
    """Stop this job, or take it out of the queue; finished pictures stay"""

    bl_idname = "shiage.cancel_job"
    bl_label = "Cancel Job"

    def act(self, _context, entry):
        session.cancel_job(entry)


class SHIAGE_OT_retry_job(_JobOperator, bpy.types.Operator):
    """Run this job again; pictures that are still right are not made anew"""

    bl_idname = "shiage.retry_job"
    bl_label = "Retry Job"

    def act(self, _context, entry):
        session.submit_job(entry)


class SHIAGE_OT_import_result(_JobOperator, bpy.types.Operator):
    """Put the finished pictures of this job on the timeline, or bring what is there up to date"""

    bl_idname = "shiage.import_result"
    bl_label = "Import Pictures"

    def act(self, context, entry):
        scene = entry.origin.scene()
        if scene is None:
            scene = context.scene
            self.report({"WARNING"}, f"The scene '{entry.origin.name}' is not in this file: imported into '{scene.name}'")
        import_pictures(entry, scene)
        self.report({"INFO"}, entry.remark)
        if difference := find_color_difference(entry, scene):
            self.report({"WARNING"}, difference)
        push_undo(context, self.bl_label)


class SHIAGE_OT_open_job_folder(_JobOperator, bpy.types.Operator):
    """Show the job's folder, with the pictures and the engine's log, in the file browser of the system"""

    bl_idname = "shiage.open_job_folder"
    bl_label = "Open Job Folder"

    def act(self, _context, entry):
        if not entry.folder.is_dir():
            raise BadInput(f"The folder {entry.folder} is no longer there: color the shot again.")
        bpy.ops.wm.path_open(filepath=str(entry.folder))


class SHIAGE_OT_cancel_all(bpy.types.Operator):
    """Stop the running job and empty the queue; finished pictures stay"""

    bl_idname = "shiage.cancel_all"
    bl_label = "Cancel All Jobs"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if any(entry.live for entry in session.entries):
            return True
        cls.poll_message_set("No job is running or waiting")
        return False

    def execute(self, _context):
        for entry in session.entries:
            session.cancel_job(entry)
        return {"FINISHED"}


class SHIAGE_OT_clear_jobs(bpy.types.Operator):
    """Take the jobs that ended out of the list; their folders and pictures stay"""

    bl_idname = "shiage.clear_jobs"
    bl_label = "Clear Ended Jobs"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if any(not entry.live for entry in session.entries):
            return True
        cls.poll_message_set("No job has ended")
        return False

    def execute(self, _context):
        session.forget_ended_jobs()
        return {"FINISHED"}


class SHIAGE_OT_find_jobs(bpy.types.Operator):
    """Look for jobs of this file's scenes that ended in an earlier session"""

    bl_idname = "shiage.find_jobs"
    bl_label = "Find Earlier Jobs"
    bl_options = {"REGISTER"}

    def execute(self, _context):
        find_jobs()
        return {"FINISHED"}


class SHIAGE_OT_show_frame(bpy.types.Operator):
    """Go to this frame and look at what was left unpainted"""

    bl_idname = "shiage.show_frame"
    bl_label = "Go to Frame"
    bl_options = {"REGISTER", "INTERNAL"}

    frame: IntProperty(options={"SKIP_SAVE"})
    text: StringProperty(options={"SKIP_SAVE"})

    @classmethod
    def description(cls, _context, properties):
        return properties.text.removesuffix(".") or cls.__doc__

    def execute(self, context):
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


def push_undo(context: bpy.types.Context, message: str) -> None:
    """One undo step of the whole file. In a drawing mode a step of an operator would hold the active drawing alone, so that
    undoing it would take back something else: hence no active object."""
    with context.temp_override(active_object=None, object=None):
        bpy.ops.ed.undo_push(message=message)


# --- by itself ------------------------------------------------------------------------------------------------------


def _import_finished() -> bool:
    """Import what has been finished, unless that would get in somebody's way; True while something waits for its turn."""
    for entry in [entry for entry in session.entries if entry.wants_import]:
        windows = bpy.context.window_manager.windows
        if not windows or bpy.app.is_job_running("RENDER") or any(len(window.modal_operators) for window in windows):
            return True  # a stroke is being drawn, something is dragged or rendered
        entry.wants_import = False
        scene = entry.origin.scene()
        if scene is None:
            entry.remark = f"The scene '{entry.origin.name}' is not in this file: open its file, or import the pictures here"
            continue
        window = next((window for window in windows if window.scene == scene), windows[0])
        try:
            with bpy.context.temp_override(window=window):
                bpy.ops.shiage.import_result(folder=str(entry.folder))
        except RuntimeError as error:  # how an operator that is called from Python reports an error
            entry.remark = str(error).removeprefix("Error: ").strip()
    return False


_RANGE = re.compile(r"-(-?\d+)-(-?\d+)")


def find_jobs() -> None:
    for scene in bpy.data.scenes:
        for task in jobs.TASKS:
            try:
                folder = settings.job_folder(scene, task)
            except BadInput:
                continue
            beside = folder.parent.glob(f"{glob.escape(folder.name)}-*-*") if task == "inbetween" else ()
            ranges = (path for path in beside if _RANGE.fullmatch(path.name, len(folder.name)))  # pictures: a job for each range of keys
            for found in (folder, *sorted(ranges)):
                session.discover_job(found, session.SceneOrigin.from_scene(scene), scene.shiage.destination, task)


@persistent
def _on_load(_path) -> None:
    find_jobs()


CLASSES = (
    SHIAGE_OT_cancel_job,
    SHIAGE_OT_retry_job,
    SHIAGE_OT_import_result,
    SHIAGE_OT_open_job_folder,
    SHIAGE_OT_cancel_all,
    SHIAGE_OT_clear_jobs,
    SHIAGE_OT_find_jobs,
    SHIAGE_OT_show_frame,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_tick.append(_import_finished)
    bpy.app.handlers.load_post.append(_on_load)
    if not bpy.app.background:
        bpy.app.timers.register(find_jobs, first_interval=0)  # while add-ons register there is no file to look at


def unregister() -> None:
    if bpy.app.timers.is_registered(find_jobs):
        bpy.app.timers.unregister(find_jobs)
    bpy.app.handlers.load_post.remove(_on_load)
    session.on_tick.remove(_import_finished)
    session.close_engine()
    session.entries.clear()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
