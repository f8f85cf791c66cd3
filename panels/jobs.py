"""Sub-panel Jobs: what the engine does, did, and what to look at in it."""

from ..operators import session
from .text import draw_sentence, format_duration, translated

_ICONS = {"queued": "TIME", "running": "PLAY", "done": "CHECKMARK", "failed": "ERROR", "cancelled": "X", "stopped": "PAUSE"}


class Jobs:
    bl_label = "Jobs"
    bl_description = "What the engine is doing, and what it has done"

    def draw(self, _context):
        layout = self.layout
        if not session.entries:
            row = layout.row()
            row.active = False
            row.label(text="Nothing was colored yet")
            return
        for entry in session.entries:
            box = layout.box()
            draw_title(box, entry)
            if entry.live:
                draw_progress(box, entry)
            else:
                draw_outcome(box, entry)
                if entry.notes:
                    draw_notes(layout, entry)
        row = layout.row(align=True)
        row.operator("shiage.cancel_all", text="Cancel All")
        row.operator("shiage.clear_jobs", text="Clear Ended")


def draw_title(box, entry: session.JobEntry) -> None:
    row = box.row()
    row.label(text=entry.job.title, icon=_ICONS[entry.job.state], translate=False)
    buttons = row.row(align=True)
    if not entry.live:
        buttons.operator("shiage.retry_job", text="", icon="FILE_REFRESH").folder = entry.job.folder
    buttons.operator("shiage.open_job_folder", text="", icon="FILE_FOLDER").folder = entry.job.folder


def draw_progress(layout, entry: session.JobEntry, height: float = 1.0) -> None:
    """How far a job is, and the button that stops it."""
    job = entry.job
    row = layout.row(align=True)
    row.scale_y = height
    if job.state == "running":
        left = translated("{} left").format(format_duration(job.remaining)) if job.remaining >= 0 else ""
        row.progress(factor=job.fraction, text="  ·  ".join(filter(None, (f"{job.fraction:.0%}", left))), translate=False)
    else:
        row.label(text=translated("Waiting, number {} in the queue").format(job.position), translate=False)
    row.operator("shiage.cancel_job", text="", icon="X").folder = job.folder
    if job.stage:
        row = layout.row()
        row.active = False
        row.label(text=job.stage)


def draw_outcome(box, entry: session.JobEntry) -> None:
    draw_sentence(box, entry.job.text)
    for text in entry.warnings:
        draw_sentence(box, text, "ERROR")
    if entry.pictures:
        box.operator("shiage.import_result", text="Import", icon="IMPORT").folder = entry.job.folder
    if entry.remark:
        draw_sentence(box, entry.remark, "INFO")
    elif entry.wants_import:
        draw_sentence(box, "Will be imported as soon as nothing else is going on in Blender", "TIME")


def draw_notes(layout, entry: session.JobEntry) -> None:
    """The frames that have something to look at, folded away: there can be many."""
    header, body = layout.panel(f"shiage_notes_{entry.job.title}", default_closed=True)
    header.label(text=translated("Look at {} pictures").format(len(entry.notes)), translate=False)
    if body is None:
        return
    column = body.column(align=True)
    for note in entry.notes:
        row = column.split(factor=0.25, align=True)
        button = row.operator("shiage.show_frame", text=str(note.frame), translate=False)
        button.frame, button.text = note.frame, note.text
        counts = [translated(text).format(n) for text, n in (("{} in doubt", note.unknown), ("{} open gaps", note.leaks)) if n]
        row.label(text=", ".join(counts) or note.text, translate=False)
