"""Messages survive the way over the wire, and anything else is refused."""

import pytest

from engine.job import messages as m


@pytest.mark.parametrize(
    "message",
    [
        m.Hello("0.1.0", "3.11.7", 42),
        m.Heartbeat(rss=10),
        m.Started("/tmp/ein Ort/🎨", "flats", 24),
        m.Progress("/j", "Painting", 0.5, 12.0),
        m.FrameDone("/j", -3, "frames/-003.png", reused=True),
        m.Warned("/j", "A gap of 30 px at (3, 4) is still open.", 7),
        m.Done("/j", "24 drawings colored."),
        m.Failed("/j", "bad_input", "No frame."),
        m.Cancelled("/j"),
        m.RunRequest("/j"),
        m.CancelRequest("/j"),
        m.QuitRequest(),
    ],
)
def test_round_trip(message: m.Event | m.Request) -> None:
    assert m.decode_message(m.encode_message(message)) == message


def test_a_newer_engine_may_say_more() -> None:
    assert m.decode_message('{"type": "done", "job": "/j", "mood": "good"}') == m.Done("/j")


@pytest.mark.parametrize("data", [b"", b"hello", b"[]", b'{"type": "nonsense"}', b'{"type": "done"}', b"\x80\x04"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        m.decode_message(data)
