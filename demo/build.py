"""Draw the demo shot: `python demo/build.py --out DIR` with a Python that has bpy, or `blender -b -P demo/build.py -- --out DIR`.

    DIR/shot.blend      the line art: one Grease Pencil object with the layers Rough (hidden), Traces and Lines, and a camera that pans
    DIR/key.png         drawing 1 painted, as the camera sees it, 1920x1080: flats under antialiased ink
    DIR/sheet.png       a reference sheet: the same figure in another pose and at another scale
    DIR/truth/NNNN.png  the flats of every picture without lines, edge to edge, exact swatches, not antialiased; named by the scene frame
                        at which the picture is first shown (a drawing under the moving camera gives a picture a frame)

24 drawings on twos, one of them held for eight frames: 54 frames at 24 a second. The same on every run.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import drawings, ink, picture, pose, shot
from demo.palette import INK, parse_rgb


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shot and its pictures")
    out = parser.parse_args(arguments).out

    shown_from = pose.list_exposures()
    drawn = drawings.draw_all()
    pans = shot.build_scene(out / "shot.blend", drawn, shown_from, drawings.SIZE)
    first, sheet = drawn[0], drawings.draw_sheet()
    picture.write_png(out / "key.png", ink.paint_picture(first.parts, first.whole, drawings.SIZE, parse_rgb(INK)))
    picture.write_png(out / "sheet.png", ink.paint_picture(sheet.parts, sheet.whole, drawings.SHEET_SIZE, parse_rgb(INK)))
    for drawing, (frame, held) in zip(drawn, shown_from, strict=True):
        shown = None
        for f in range(frame, frame + held):
            if shown is None or abs(pans[f] - shown) > 1 / 64:
                shown = pans[f]
                flats = ink.paint_flats(drawings.place_figure(drawing.parts, (-shown, 0.0)), drawings.SIZE)
                picture.write_png(out / "truth" / f"{f:04d}.png", flats)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
