"""What the buttons that start a job have in common."""

from collections.abc import Callable

import bpy
from bpy.app.translations import pgettext_tip

from ..engine.job.errors import ShiageError
from . import session
from .jobs import find_color_difference, import_pictures
from .scene import settings


class StartingOperator:
    """An operator that starts a job. With a window it returns at once; without one it waits for the end and imports what was made."""

    bl_options = {"REGISTER"}

    @staticmethod
    def reason(context: bpy.types.Context) -> str:
        """Why it can't be started now, and what to do; '' when nothing is known to be in the way."""
        raise NotImplementedError

    def start(self, context: bpy.types.Context, on_progress: Callable[[float], None]) -> session.JobEntry:
        """Hand the job to the engine. `on_progress` takes the part that is gathered, 0..1. Raises ShiageError."""
        raise NotImplementedError

    @classmethod
    def poll(cls, context):
        reason = cls.reason(context)
        if reason:
            cls.poll_message_set(pgettext_tip(reason))
        return not reason

    def execute(self, context):
        manager = context.window_manager
        manager.progress_begin(0, 100)
        try:
            entry = self.start(context, lambda fraction: manager.progress_update(int(100 * fraction)))
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            manager.progress_end()
        if settings.output_is_temporary(context.scene) and entry.destination != "STROKES":
            self.report({"WARNING"}, f"This file was never saved: the pictures go to {entry.folder}, which is deleted when Blender ends")
        if difference := find_color_difference(entry, context.scene):
            self.report({"WARNING"}, difference)
        if bpy.app.background:
            session.wait_for_job(entry, lambda _entry: None)
            if entry.job.state != "done":
                self.report({"ERROR"}, entry.job.text)
                return {"CANCELLED"}
            import_pictures(entry, context.scene)
            self.report({"INFO"}, f"{entry.job.text} {entry.remark}")
        return {"FINISHED"}
