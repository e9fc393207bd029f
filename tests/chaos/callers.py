"""Callers that know what became of each of their calls, over HTTP and over gRPC.

Each has one connection, which it makes anew when that ends, and never asks twice for one call.
"""

import http.client
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
import numpy as np
import tritonclient.http
from numpy.typing import NDArray
from tests.chaos.ledger import CUT, LEFT, RIGHT, UNREACHED, WRONG
from tritonclient.grpc import service_pb2, service_pb2_grpc

#: Longer than any call may take: one that takes so long hangs.
HANG_S: Final = 40.0
#: For a connection to a listener on this machine; one that takes longer reaches nobody.
CONNECT_S: Final = 2.0
ERROR_ID: Final = "[error id "

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Wish:
    """What one call asks, and how it ends if its caller ends it."""

    model: str
    given: Rows
    #: A parameter of the request: its deadline.
    timeout_us: int = 0
    #: The caller leaves when it has no answer after so long.
    leaves_s: float | None = None
    #: It leaves within its own request's body.
    within_body: bool = False


class Caller(Protocol):
    """One connection's owner."""

    #: When the connection was last known to be alive: as what was answered last began, or as it was
    #: opened. Not as that ended, for by then the other end may be dead; who leaves knows nothing.
    alive: float

    def call(self, wish: Wish) -> str:
        """Call once; return a word of the ledger's, or the status."""

    def close(self) -> None:
        """Let the connection go."""


class HttpCaller:
    """Calls over HTTP/1.1, tensors in binary."""

    def __init__(self, address: str) -> None:
        self.alive = 0.0
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._connection: http.client.HTTPConnection | None = None

    def call(self, wish: Wish) -> str:
        """Call once; return a word of the ledger's, or the status."""
        connection = self._connection
        if connection is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)
            self.alive = time.monotonic()
            try:
                connection.connect()
            except OSError:
                return UNREACHED
            connection.sock.settimeout(HANG_S)
            self._connection = connection
        began = time.monotonic()
        try:
            if wish.leaves_s is not None or wish.within_body:
                return self._leave(connection, wish)
            self._send(connection, wish)
            outcome = _answer(connection, wish.given)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            self.close()
            return CUT
        self.alive = began
        return outcome

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, connection: http.client.HTTPConnection, wish: Wish) -> None:
        tensor = tritonclient.http.InferInput("x", list(wish.given.shape), "FP32")
        tensor.set_data_from_numpy(wish.given)
        body, length = tritonclient.http.InferenceServerClient.generate_request_body(
            [tensor],
            outputs=[tritonclient.http.InferRequestedOutput("y")],
            timeout=wish.timeout_us or None,
        )
        sent = body[: len(body) // 2] if wish.within_body else body
        connection.putrequest("POST", f"/v2/models/{wish.model}/infer")
        connection.putheader("Inference-Header-Content-Length", str(length))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(sent)

    def _leave(self, connection: http.client.HTTPConnection, wish: Wish) -> str:
        """Say that nothing more comes, and read what the server says to that, if anything."""
        try:
            self._send(connection, wish)
            readable = select.poll()
            readable.register(connection.sock, select.POLLIN)
            if not readable.poll(1000 * (wish.leaves_s or 0.0)):
                connection.sock.shutdown(socket.SHUT_WR)
            return _answer(connection, wish.given)
        except http.client.RemoteDisconnected:
            return LEFT
        finally:
            self.close()


def _answer(connection: http.client.HTTPConnection, given: Rows) -> str:
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        return str(response.status)
    length = response.headers.get("Inference-Header-Content-Length")
    result = tritonclient.http.InferenceServerClient.parse_response_body(
        body, header_length=int(length) if length else None
    )
    return RIGHT if np.array_equal(result.as_numpy("y"), given) else WRONG


#: What only a server says: no client library has these of its own accord.
_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: "400",
    grpc.StatusCode.NOT_FOUND: "404",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "429",
    grpc.StatusCode.UNIMPLEMENTED: "501",
}
#: What a client library says, too: the server's end in an error id.
_BOTH: Final = {
    grpc.StatusCode.INTERNAL: "500",
    grpc.StatusCode.UNAVAILABLE: "503",
    grpc.StatusCode.DEADLINE_EXCEEDED: "504",
}
_OPTIONS: Final = [
    # A connection for each caller, and no second try behind its back.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # Its own pause after a refusal is a second, in which another gateway has long been there.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
]


class GrpcCaller:
    """Calls over gRPC."""

    def __init__(self, address: str) -> None:
        self.alive = 0.0
        self._address = address
        self._channel: Any = None
        self._infer: Callable[..., Any] | None = None

    def call(self, wish: Wish) -> str:
        """Call once; return a word of the ledger's, or the status."""
        infer = self._infer or self._connect()
        if infer is None:
            return UNREACHED
        request = service_pb2.ModelInferRequest(model_name=wish.model)
        request.inputs.add(name="x", datatype="FP32", shape=wish.given.shape)
        request.raw_input_contents.append(wish.given.tobytes())
        if wish.timeout_us:
            request.parameters["timeout"].int64_param = wish.timeout_us
        began = time.monotonic()
        pending = infer(request, timeout=HANG_S)
        try:
            answer = pending.result(wish.leaves_s)
        except grpc.FutureTimeoutError:
            pending.cancel()
            return LEFT
        except grpc.RpcError as error:
            return self._told(error, began)
        self.alive = began
        came = np.frombuffer(answer.raw_output_contents[0], np.float32)
        return RIGHT if np.array_equal(came, wish.given.ravel()) else WRONG

    def close(self) -> None:
        """Let the connection go."""
        if self._channel is not None:
            self._channel.close()
            self._channel = self._infer = None

    def _connect(self) -> Callable[..., Any] | None:
        self._channel = grpc.insecure_channel(self._address, options=_OPTIONS)
        self.alive = time.monotonic()
        try:
            grpc.channel_ready_future(self._channel).result(CONNECT_S)
        except grpc.FutureTimeoutError:
            self.close()
            return None
        self._infer = service_pb2_grpc.GRPCInferenceServiceStub(self._channel).ModelInfer.future
        return self._infer

    def _told(self, error: Any, began: float) -> str:
        code, details = error.code(), error.details() or ""
        status = _CODES.get(code) or (_BOTH.get(code) if ERROR_ID in details else None)
        if status is None and code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError(details)
        if status is None:
            self.close()
            return CUT
        self.alive = began
        return status
