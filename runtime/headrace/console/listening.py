"""Uvicorn, bounded, and without its clock: an idle console sleeps in the kernel."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import uvloop
from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from headrace.console.places import Places
from headrace.console.sources import SERVER

#: Connections at once.
MOST_CONNECTIONS: Final = 32
#: A connection without a whole request is closed after so long.
IDLE_S: Final = 30.0
#: Of a request's line and headers.
MOST_HEAD_BYTES: Final = 1 << 16
#: For what is being answered when the console closes.
LAST_S: Final = 1.0


class Listening(Server):
    """Answers on a socket until it is told to stop."""

    def __init__(self, app: ASGIApp, listener: socket.socket, end: Callable[[], None]) -> None:
        """Take over ``listener``, which is bound and listens; ``end`` ends answers without end."""
        places = Places(MOST_CONNECTIONS)

        class Line(BoundedProtocol):
            def __init__(self, **given: Any) -> None:
                super().__init__(**given)
                self.places = places

        super().__init__(
            Config(
                app,
                http=Line,
                ws="none",
                lifespan="off",
                # Of what is no request everybody could fill the log.
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=int(IDLE_S),
                h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            )
        )
        self._listener = listener
        self._end = end
        self._loop = uvloop.new_event_loop()
        self._stopped = asyncio.Event()

    def serve_until_stopped(self) -> None:
        """Answer, in the calling thread."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve(sockets=[self._listener]))

    def stop(self) -> None:
        """Have it stopped; any thread may call this."""
        with suppress(RuntimeError):  # it has stopped by itself
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        """Wait, where Uvicorn's own wakes ten times a second to look at a flag."""
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and finish what was begun as far as there is time."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._end()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LAST_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class BoundedProtocol(H11Protocol):
    """A connection that has a place among others, and time for a request."""

    places: Places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or say that there is none."""
        super().connection_made(transport)
        if not self.places.enter(transport):
            told = f"{MOST_CONNECTIONS} requests are being answered: try again later"
            transport.write(refused("503 Service Unavailable", told, "Retry-After: 1\r\n"))
            transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self.places.leave(self.transport)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; the time for a request goes on until it is whole."""
        timer, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        if self.transport.is_closing():
            return
        self.conn.receive_data(data)
        self.handle_events()
        if self.scope is not None:
            # The application may have somebody dropped who does not read.
            self.scope["state"]["abort"] = self.transport.abort
        if self.cycle is not None and not self.cycle.response_complete:
            self.places.asks(self.transport)
            if timer is not None:
                timer.cancel()
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = timer

    def on_response_complete(self) -> None:
        """Note that it waits again."""
        self.places.waits(self.transport)
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            # Another request came together with that one.
            self.places.asks(self.transport)
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request as everything else that is wrong."""
        if self.cycle is not None and not self.cycle.response_complete:
            # Its answer may have begun.
            self.transport.abort()
            return
        self.transport.write(refused("400 Bad Request", msg))
        self.transport.close()

    def _wait(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(IDLE_S, self.timeout_keep_alive_handler)


def refused(status: str, text: str, more: str = "") -> bytes:
    """Return an answer to what has no request, and closes."""
    body = json.dumps({"error": text})
    return (
        f"HTTP/1.1 {status}\r\nServer: {SERVER}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
