"""Sub-panel Jobs: what the engine does, did, and what to look at in it."""

from ..operators import session
from .text import duration, sentence

SHOWN_NOTES = 6  # frames with something to look at; the rest is told as a number

_ICONS = {"queued": "TIME", "running": "PLAY", "done": "CHECKMARK", "failed": "ERROR", "cancelled": "X", "stopped": "PAUSE"}


class Jobs:
    bl_label = "Jobs"

    def draw(self, _context):
        layout = self.layout
        if not session.entries:
            row = layout.row()
            row.active = False
            row.label(text="Nothing was colored yet")
            return
        for entry in session.entries:
            draw_entry(layout.box(), entry)
        row = layout.row(align=True)
        row.operator("shiage.cancel_all", text="Cancel All")
        row.operator("shiage.clear_jobs", text="Clear Ended")


def draw_entry(box, entry: session.Entry) -> None:
    job = entry.job
    row = box.row()
    row.label(text=job.title, icon=_ICONS[job.state], translate=False)
    buttons = row.row(align=True)
    if entry.live:
        buttons.operator("shiage.cancel_job", text="", icon="X").folder = job.folder
    else:
        buttons.operator("shiage.retry_job", text="", icon="FILE_REFRESH").folder = job.folder
    buttons.operator("shiage.open_job_folder", text="", icon="FILE_FOLDER").folder = job.folder
    if job.state == "running":
        left = f"{duration(job.remaining)} left" if job.remaining >= 0 else ""
        box.progress(factor=job.fraction, text="  ·  ".join(filter(None, (f"{job.fraction:.0%}", left))), translate=False)
        box.label(text=job.stage)
    elif job.state == "queued":
        box.label(text=f"Waiting, number {job.position} in the queue")
    else:
        sentence(box, job.text)
        for text in dict.fromkeys(job.warnings):
            sentence(box, text, "ERROR")
        draw_notes(box, entry)
        if entry.pictures:
            row = box.row()
            row.operator("shiage.import_result", text="Import" if not entry.remark else "Import Again", icon="IMPORT").folder = job.folder
        if entry.remark:
            sentence(box, entry.remark, "INFO")
        elif entry.wants_import:
            sentence(box, "Will be imported as soon as nothing else is going on in Blender", "TIME")


def draw_notes(box, entry: session.Entry) -> None:
    if not entry.notes:
        return
    column = box.column(align=True)
    for note in entry.notes[:SHOWN_NOTES]:
        counts = [f"{note.unknown} in doubt"] * bool(note.unknown) + [f"{note.leaks} leaking"] * bool(note.leaks)
        row = column.row(align=True)
        row.operator("shiage.show_frame", text=str(note.frame), translate=False).frame = note.frame
        row.label(text=", ".join(counts), translate=False)
    if len(entry.notes) > SHOWN_NOTES:
        column.label(text=f"and {len(entry.notes) - SHOWN_NOTES} more frames", translate=False)
