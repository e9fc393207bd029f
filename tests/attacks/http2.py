"""HTTP/2 from a client that keeps the rules, with room for frames that do not."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from tests.attacks.http1 import READ, connect

INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
STREAM: Final = "/inference.GRPCInferenceService/ModelStreamInfer"
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
#: What a client may ask for at most.
WIDE: Final = (1 << 31) - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame, sensible or not."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def opening(settings: bytes = b"") -> bytes:
    """Return what a client begins with."""
    return PREFACE + frame(SETTINGS, 0, 0, settings)


def frames(one: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    """Return the server's frames, each as kind, flags, stream and payload, until it closes."""
    read = b""
    while True:
        while len(read) < 9 or len(read) < 9 + int.from_bytes(read[:3]):
            try:
                data = one.recv(READ)
            except ConnectionError:
                return
            if not data:
                return
            read += data
        end = 9 + int.from_bytes(read[:3])
        yield read[3], read[4], int.from_bytes(read[5:9]), read[9:end]
        read = read[end:]


def setting(number: int, value: int) -> bytes:
    """Return one entry of a SETTINGS frame."""
    return struct.pack(">HI", number, value)


def call_headers(path: str = INFER, front: str = "grpc") -> list[tuple[str, str]]:
    """Return the headers of a call."""
    plain = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)]
    if front == "http":
        return plain
    return [*plain, ("content-type", "application/grpc"), ("te", "trailers")]


@dataclass
class Got:
    """What came on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: The stream was answered to its end.
    whole: bool = False
    #: The server's reset.
    reset: int | None = None

    @property
    def status(self) -> str:
        """Return the gRPC status."""
        return self.headers.get("grpc-status", "")

    @property
    def message(self) -> bytes:
        """Return the first gRPC message."""
        (length,) = struct.unpack(">I", self.body[1:5])
        return self.body[5 : 5 + length]

    @property
    def over(self) -> bool:
        """Return whether nothing more comes."""
        return self.whole or self.reset is not None


class Closed(ConnectionError):
    """The server has ended the connection."""


class Session:
    """One connection and its streams."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self.socket: socket.socket = connect(address, timeout_s)
        #: Of the server's GOAWAY.
        self.farewell: str | None = None
        self.streams: dict[int, Got] = {}
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                header_encoding="utf-8",
                validate_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        self._h2.initiate_connection()
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def tell(self, settings: dict[int, int]) -> None:
        """Send settings."""
        self._h2.update_settings(settings)
        self._flush()

    def widen(self) -> None:
        """Let the server send as much as it likes."""
        self.tell({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WIDE})
        self._h2.increment_flow_control_window(WIDE - (1 << 16))
        self._flush()

    def open(self, headers: list[tuple[str, str]], end: bool = False) -> int:
        """Begin a stream."""
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, headers, end_stream=end)
        self.streams[stream] = Got()
        self._flush()
        return stream

    def data(self, stream: int, body: bytes, end: bool = True) -> None:
        """Send a body, as fast as the server lets it."""
        view = memoryview(body)
        while len(view) > 0 and not self.streams[stream].over:
            room = self._h2.local_flow_control_window(stream)
            size = min(room, self._h2.max_outbound_frame_size, len(view))
            if size == 0:
                self.turn(release=True)
                continue
            self._h2.send_data(stream, bytes(view[:size]))
            self._flush()
            view = view[size:]
        if end and not self.streams[stream].over:
            self._h2.end_stream(stream)
            self._flush()

    def reset(self, stream: int) -> None:
        """Cancel a stream."""
        self._h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self._flush()

    def call(self, body: bytes, headers: list[tuple[str, str]] | None = None) -> Got:
        """Send one unary call and return its answer."""
        stream = self.open(headers or call_headers())
        self.data(stream, body)
        return self.wait(stream)

    def wait(self, stream: int) -> Got:
        """Return what came on a stream once it is over.

        Raises:
            Closed: the connection ended first.
            TimeoutError: nothing comes.
        """
        while not self.streams[stream].over:
            self.turn(release=True)
        return self.streams[stream]

    def turn(self, release: bool) -> None:
        """Take what the server sends next; `release`: and let it send as much again.

        Raises:
            Closed: the connection ended.
            TimeoutError: nothing comes.
            AssertionError: the server breaks a rule of HTTP/2.
        """
        data = self.socket.recv(READ)
        if not data:
            raise Closed(self.farewell or "the server has closed")
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"the server breaks a rule of HTTP/2: {error!r}") from error
        for event in events:
            self._take(event, release)
        self._flush()

    def _take(self, event: h2.events.Event, release: bool) -> None:
        got = self.streams.get(getattr(event, "stream_id", None) or 0, Got())
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            got.headers |= {str(name): str(value) for name, value in event.headers or []}
        elif isinstance(event, h2.events.DataReceived):
            got.body += event.data or b""
            if release and event.flow_controlled_length:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            got.whole = True
        elif isinstance(event, h2.events.StreamReset):
            got.reset = int(event.error_code or 0)
        elif isinstance(event, h2.events.ConnectionTerminated):
            text = (event.additional_data or b"").decode(errors="replace")
            self.farewell = f"GOAWAY {event.error_code} {text}"

    def _flush(self) -> None:
        self.socket.sendall(self._h2.data_to_send())
