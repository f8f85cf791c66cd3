"""Messages over a socket, one JSON line each. Standard library only."""

import socket
import threading

from .messages import Event, Request, decode_message, encode_message

MAX_BYTES = 1 << 20  # read at a time; longer than any line, and a stranger must not fill the memory
_CHUNK = 1 << 16


class Channel:
    """One end of a connection. `open` becomes False when the other end is gone or sends an invalid message. Nothing raises for that.

    `blocking`: whether `receive` waits for data. The end that must never wait (Blender) takes what has arrived.
    """

    def __init__(self, connection: socket.socket, blocking: bool) -> None:
        connection.setblocking(blocking)
        self._socket = connection
        self._sending = threading.Lock()
        self._received = b""
        self.open = True

    def send(self, message: Event | Request) -> None:
        self.send_line(encode_message(message))

    def send_line(self, line: bytes) -> None:
        """Send one whole line. Thread-safe."""
        with self._sending:
            try:
                self._socket.sendall(line + b"\n")
            except OSError:
                self.open = False

    def receive(self) -> list[Event | Request]:
        """The messages that have arrived. An invalid line closes the channel after the messages before it."""
        messages = []
        self._read_socket()
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            try:
                messages.append(decode_message(line))
            except ValueError:
                self.close()
                break
        return messages

    def receive_line(self) -> bytes | None:
        """The next raw line, or None while there is none."""
        self._read_socket()
        if b"\n" not in self._received:
            return None
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _read_socket(self) -> None:
        more = self.open
        while more:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.open = bool(data)
            self._received += data
            more = len(data) == _CHUNK and len(self._received) < MAX_BYTES
        if len(self._received) >= MAX_BYTES and b"\n" not in self._received:
            self.close()

    def close(self) -> None:
        self.open = False
        self._socket.close()
