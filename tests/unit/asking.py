"""Asks a console without a socket: the application itself, as a server would call it."""

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import uvloop

from headrace.console.following import Followers
from headrace.console.looking import Looking
from headrace.console.routes import application
from headrace.console.sources import CLIENT, Sources
from headrace.console.token import Token


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


def ask(
    sources: Sources,
    method: str,
    target: str,
    *,
    listens_on: str = "127.0.0.1",
    token: Token | None = None,
    body: bytes = b"",
    **headers: str | None,
) -> Answer:
    """Return the answer to one request; ``client`` among its headers is the console's own."""
    parts = urlsplit(target)
    sent = {name: text for name, text in headers.items() if text is not None}
    if "client" in sent:
        sent[CLIENT.lower()] = sent.pop("client")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
    }
    if body:
        scope["headers"] = [*scope["headers"], (b"content-length", str(len(body)).encode())]
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        told.append(message)

    async def answer() -> None:
        followers = Followers(sources.controller.events, Looking(sources))
        await application(sources, listens_on, followers, token)(scope, receive, send)

    def run() -> None:
        # Which needs no socket to wake itself, outside of the main thread.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(answer())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    began, *rest = told
    return Answer(
        began["status"],
        {name.decode().lower(): text.decode() for name, text in began["headers"]},
        b"".join(one.get("body", b"") for one in rest),
    )
