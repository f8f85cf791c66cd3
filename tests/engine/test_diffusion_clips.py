"""Clips of folders, toon worlds and videos."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.job.errors import BadInput
from lab.diffusion import clips
from lab.synthesis.write import write_samples

BACKS = ((250, 240, 230), (60, 90, 60), (120, 30, 160))


def video(path, lengths=(20, 16, 22), size=(128, 96)):
    """Shots that differ in their background and in how a disc moves; the frame's number in its shot is the disc's place."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 24, size)
    for length, back in zip(lengths, BACKS, strict=True):
        for index in range(length):
            picture = np.full((size[1], size[0], 3), back, np.uint8)
            cv2.circle(picture, (20 + 4 * index, 48), 14, (40, 200, 220), -1)
            writer.write(picture)
    writer.release()


def test_a_video_is_cut_into_its_shots(tmp_path):
    video(tmp_path / "film.mp4")
    found = clips.find_clips(tmp_path / "film.mp4", tmp_path / "work")
    assert [len(clip.frames) for clip in found] == [20, 16, 22]
    for clip, back in zip(found, BACKS, strict=True):
        frames = clips.flatten_pictures(clips.load_pictures(clip.frames, (128, 96)))
        assert np.abs(frames[:, 2, 2].astype(int) - back[::-1]).max() < 12, "all frames of a shot have its background"
        places = [np.flatnonzero(np.abs(frame[48].astype(int) - (220, 200, 40)).max(1) < 60).mean() for frame in frames]
        assert np.abs(np.array(places) - 20 - 4 * np.arange(len(places)))[:17].max() < 2, "no frame is lost, doubled or out of order"


def test_shots_are_written_once_and_short_ones_left_out(tmp_path):
    (tmp_path / "films").mkdir()
    video(tmp_path / "films" / "film.mp4")
    found = clips.find_clips(tmp_path / "films", tmp_path / "work", least=18)
    assert [len(clip.frames) for clip in found] == [20, 22]
    written = found[0].frames[0].stat().st_mtime_ns
    assert clips.find_clips(tmp_path / "films", tmp_path / "work", least=18) == found
    assert found[0].frames[0].stat().st_mtime_ns == written
    with pytest.raises(BadInput, match="no clip of 30"):
        clips.find_clips(tmp_path / "films", tmp_path / "work", least=30)


def test_large_frames_are_kept_smaller(tmp_path):
    video(tmp_path / "film.mp4", (3, 3, 3), (1280, 720))
    (clip, *_) = clips.find_clips(tmp_path, tmp_path / "work")
    with Image.open(clip.frames[0]) as image:
        assert image.size == (1024, 576)


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"this is no video" * 100)
    with pytest.raises(BadInput, match=r"film\.mp4 can't be read"):
        clips.find_clips(tmp_path, tmp_path / "work")


def test_toon_worlds_and_folders_side_by_side(tmp_path):
    (world,) = write_samples("puppet", 1, tmp_path / "data", 96, seed=3)
    (tmp_path / "data" / "walk").mkdir()
    for index in range(3):
        Image.new("RGB", (40, 30), (200, 60, 60)).save(tmp_path / "data" / "walk" / f"{index}.jpg")
    (tmp_path / "data" / "empty").mkdir()
    found = {clip.folder.name: clip for clip in clips.find_clips(tmp_path / "data", tmp_path / "work")}
    assert set(found) == {world.name, "walk"}
    meta = json.loads((world / "meta.json").read_text("utf-8"))
    assert [clips.parse_number(path) for path in found[world.name].frames] == meta["shot"]
    assert [clips.parse_number(path) for path in found[world.name].sheets] == meta["references"] != []
    assert clips.load_pictures(found["walk"].frames, (64, 32)).shape == (3, 32, 64, 4)


def test_lines_beside_a_picture_or_found_in_it(tmp_path):
    picture = np.full((64, 64, 3), 230, np.uint8)
    cv2.circle(picture, (32, 32), 20, (10, 10, 10), 2)
    for index in range(2):
        Image.fromarray(picture).save(tmp_path / f"color_{index}.png")
    lines = np.zeros((64, 64, 4), np.uint8)
    lines[30:34] = (0, 0, 0, 255)
    Image.fromarray(lines).save(tmp_path / "lines_1.png")
    found, beside = clips.binarize_gray(clips.load_sketches(clips.read_folder(tmp_path).frames, (64, 64)))
    assert (beside == np.where(lines[..., 3] > 0, 0, 255)).all()
    drawn = picture[..., 0] < 50
    assert (found[drawn] == 0).mean() > 0.95 and (found[~cv2.dilate(drawn.astype(np.uint8), np.ones((5, 5))).astype(bool)] == 255).all()
    (tmp_path / "color_1.png").write_bytes(b"torn")
    with pytest.raises(BadInput, match="can't be read"):
        clips.load_pictures(clips.read_folder(tmp_path).frames, (64, 64))


def test_long_shots_can_be_asked_for(tmp_path):
    (world,) = write_samples("puppet", 1, tmp_path, 64, seed=0, drawings=16)
    assert len(clips.find_clips(tmp_path, tmp_path / "work", least=15)[0].frames) == 16
    assert json.loads((world / "meta.json").read_text("utf-8"))["plan"]["relation"] == ""
    with pytest.raises(BadInput, match="2 to 99"):
        list(write_samples("puppet", 1, tmp_path, 64, drawings=100))
