"""Draw the demo shot: `python demo/build.py --out DIR` with a Python that has bpy, or `blender -b -P demo/build.py -- --out DIR`.

    DIR/shot.blend      the line art: one Grease Pencil object with the layers Rough (hidden), Traces and Lines, and a camera that pans
    DIR/key.png         drawing 1 painted, as the camera sees it, 1920x1080: flats under antialiased ink
    DIR/sheet.png       a reference sheet: the same figure in another pose and at another scale
    DIR/truth/NNNN.png  the flats of every picture without lines, edge to edge, exact swatches, not antialiased; named by the scene frame
                        at which the picture is first shown (a drawing under the moving camera gives a picture a frame)

24 drawings on twos, one of them held for eight frames: 54 frames at 24 a second. The same bytes on every run.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import ink, picture, pose, shot  # noqa: E402
from demo.curves import Part, moved  # noqa: E402
from demo.figure import construction, parts  # noqa: E402
from demo.palette import INK, rgb  # noqa: E402

SIZE = (1920, 1080)
PLACE = (760.0, 1022.0)  # px, where she stands
SHEET_SIZE, SHEET_PLACE, SHEET_SCALE = (1400, 1600), (700.0, 1500.0), 1.45


def placed(figure: list[Part], place, scale: float = 1.0) -> list[Part]:
    return [moved(part, lambda p: p * scale + place) for part in figure]


def drawing(number: int, now: pose.Pose) -> tuple[list[Part], list[ink.Stroke]]:
    """The parts and the inked strokes of a drawing, px of the camera at rest."""
    figure = ink.wobbled(placed(parts(now), PLACE), number)
    lines, _ = ink.broken(ink.strokes(figure, number), number)
    return figure, lines


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shot and its pictures")
    out = parser.parse_args(arguments).out

    figures, drawings = [], []
    for number, (now, (frame, _)) in enumerate(zip(pose.poses(), pose.exposures(), strict=True), 1):
        figure, lines = drawing(number, now)
        rough = [p + PLACE for p in construction(now)]
        figures.append(figure)
        drawings.append(shot.Drawing(frame, lines, rough))

    whole = ink.strokes(figures[0], 1)
    picture.write_png(out / "key.png", ink.painted(figures[0], whole, SIZE, rgb(INK)))
    sheet = placed(parts(pose.SHEET), SHEET_PLACE, SHEET_SCALE)
    picture.write_png(out / "sheet.png", ink.painted(sheet, ink.strokes(sheet, 0), SHEET_SIZE, rgb(INK)))

    pans = shot.build(out / "shot.blend", drawings, SIZE, pose.exposures()[-1])
    for figure, (frame, held) in zip(figures, pose.exposures(), strict=True):
        shown = None
        for f in range(frame, frame + held):
            if shown is None or abs(pans[f] - shown) > 1 / 64:
                shown = pans[f]
                picture.write_png(out / "truth" / f"{f:04d}.png", ink.paint(placed(figure, (-shown, 0.0)), SIZE))


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
