"""The variants of LVCD that lvcd_study.py paints with and lvcd_study_report.py compares."""

from dataclasses import dataclass

from engine.models.lvcd import pipeline

FRAMES = 75  # of a shot

FilmNumbers = dict[str, list[float]]  # of a film by the name of the measure, frame by frame


@dataclass(frozen=True)
class StudyVariant:
    """A variant of LVCD: networks of NETS, how segments hang together, and whether each begins from the last frame painted."""

    title: str
    color: tuple[int, int, int]
    net: str = "with"
    scheme: pipeline.SegmentScheme = pipeline.SegmentScheme()
    previous: bool = False

    @property
    def joins(self) -> list[int]:
        """The last frames of its segments, after each of which another goes on."""
        return [span.stop - 1 for span in pipeline.split_segments(FRAMES, self.scheme.overlap)[:-1]]


VARIANTS = {
    "full": StudyVariant("as published", (20, 90, 200)),
    "attention": StudyVariant("no Reference Attention", (220, 120, 0), "without", pipeline.SegmentScheme(attention=False)),
    "scheme": StudyVariant("no sampling scheme", (40, 150, 60), scheme=pipeline.SegmentScheme(overlap=0)),
    "previous": StudyVariant("previous frame as reference", (200, 30, 60), scheme=pipeline.SegmentScheme(overlap=0), previous=True),
}
