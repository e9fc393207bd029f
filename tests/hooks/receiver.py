"""Who is told: a real HTTP server in a thread, which checks signatures as docs/hooks.md does."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_S = 30.0

#: Number of the request → status, and headers.
Answers = Callable[[int], tuple[int, dict[str, str]]]


def documented() -> dict[str, Any]:
    """Return the functions that the documentation gives to receivers, by name."""
    found: dict[str, Any] = {}
    text = (ROOT / "docs" / "hooks.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, found)
    return found


@dataclass
class Receiver:
    """What came, as it came; a request is there before it is answered."""

    port: int = 0
    #: Each with the id of the request.
    events: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    #: When each came, before it was answered.
    times: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told?token=secret-token"

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.events]

    def wait(self, count: int) -> list[tuple[str, Any]]:
        """Return the first events, once so many have come."""
        with self.came:
            arrived = self.came.wait_for(lambda: len(self.events) >= count, PATIENCE_S)
            assert arrived, f"{len(self.events)} of {count} came; wrong: {self.wrong}"
            return self.events[:count]


def accepts(number: int) -> tuple[int, dict[str, str]]:
    return 204, {}


@contextmanager
def receiving(answers: Answers = accepts, port: int = 0) -> Iterator[Receiver]:
    """A receiver that answers so; while it waits in ``answers`` others are answered."""
    told, verified = Receiver(), documented()["verified"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with told.came:
                try:
                    event = verified(SECRET, self.headers, body)
                    assert event["id"] == self.headers["webhook-id"]
                except (ValueError, KeyError, AssertionError) as error:
                    told.wrong.append(repr(error))
                else:
                    told.events.append((event["id"], event))
                told.headers.append(dict(self.headers))
                told.paths.append(self.path)
                told.times.append(time.monotonic())
                number = len(told.paths)
                told.came.notify_all()
            status, headers = answers(number)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield told
        assert told.wrong == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
