"""The console's socket.

The standard library's server: 60 ms to import where starlette and uvicorn take 400, and it sleeps
in the kernel where uvicorn wakes ten times a second. An operator's few requests need no more.
"""

import contextlib
import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from headrace.console.answer import Answer
from headrace.console.places import Places
from headrace.console.port_owner import owner_of
from headrace.console.reply import Reply, Request, as_json, reply
from headrace.console.routes import CLIENT, Sources
from headrace.errors import PortTaken

#: Connections at once; each has a thread.
MOST_CONNECTIONS: Final = 32
#: Connections that the kernel keeps for us while they come faster than we look.
BACKLOG: Final = 512
#: A connection that says nothing for so long is closed.
IDLE_S: Final = 30.0
_TOLD: Final = json.dumps(
    {"error": f"{MOST_CONNECTIONS} requests are being answered: try again later"}
).encode()
FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Retry-After: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(_TOLD), _TOLD)
)


class Console:
    """Answers operators over HTTP."""

    def __init__(self, host: str, port: int, sources: Sources) -> None:
        """Bind, without answering yet.

        Raises:
            PortTaken: somebody else listens there.
        """
        places = Places(MOST_CONNECTIONS)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = BACKLOG
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def process_request(self, request: Any, client_address: Any) -> None:
                if not places.enter(request):
                    with contextlib.suppress(OSError):
                        request.send(FULL)
                    self.shutdown_request(request)
                    return
                super().process_request(request, client_address)

            def process_request_thread(self, request: Any, client_address: Any) -> None:
                try:
                    super().process_request_thread(request, client_address)
                finally:
                    places.leave(request)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Stay silent: the client went away."""

        try:
            self._server = Server((host, port), _handler(host, sources, places))
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {host}:{port}: {error.strerror}{owner_of(port)}; "
                "`--ports N` moves all four ports"
            ) from error
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="console", daemon=True)

    def start(self) -> None:
        """Answer from now on, from threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Take no more connections."""
        self._closing = True
        with contextlib.suppress(OSError):
            # Wakes the accepting thread, which sleeps without a limit.
            self._server.socket.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        # Not serve_forever(): that wakes twice a second to look at a flag.
        while not self._closing:
            self._server.handle_request()


def _handler(host: str, sources: Sources, places: Places) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def parse_request(self) -> bool:
            parsed = super().parse_request()
            places.asks(self.connection)
            return parsed

        def handle_one_request(self) -> None:
            super().handle_one_request()
            places.waits(self.connection)

        def answer(self) -> None:
            named, client = self.headers.get("Host"), self.headers.get(CLIENT)
            asked = Request(self.command, self.path, named, client)
            _send(self, reply(sources, host, asked))

        def send_error(
            self, code: int, message: str | None = None, explain: str | None = None
        ) -> None:
            """Answer what is no request as everything else that is wrong."""
            self.close_connection = True
            told = message or self.responses[HTTPStatus(code)][0]
            _send(self, as_json(Answer(code, {"error": told})), closes=True)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

        def version_string(self) -> str:
            return "headrace"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Stay silent: a monitor's requests are no news."""

    return Handler


def _send(handler: BaseHTTPRequestHandler, sent: Reply, closes: bool = False) -> None:
    handler.send_response(sent.status)
    for name, text in sent.headers.items():
        handler.send_header(name, text)
    handler.send_header("Content-Length", str(len(sent.body)))
    # What is no request, and closes, may have no headers.
    if closes or handler.headers.get("Content-Length") or handler.headers.get("Transfer-Encoding"):
        # A body is never read: what follows on this connection would be it.
        handler.send_header("Connection", "close")
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(sent.body)
