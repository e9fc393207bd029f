"""What is sent for a request: the page, or an answer of the API as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.console.answer import Answer
from headrace.console.routes import Sources, perform, respond
from headrace.console.webpage import HEADERS, may_ask, page_file


@dataclass(frozen=True)
class Reply:
    """Everything but what the connection itself needs."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    """As much of a request as its answer depends on."""

    method: str
    #: Path and query, as they were sent.
    target: str
    #: Its headers ``Host`` and ``Headrace-Client``; None where it has none.
    host: str | None = None
    client: str | None = None


def reply(sources: Sources, listens_on: str, asked: Request) -> Reply:
    """Answer a request to a console that listens on the address or name ``listens_on``."""
    if not may_ask(listens_on, asked.host):
        told = f"the console answers to names and addresses of its machine, not {asked.host!r:.80}"
        return as_json(Answer(403, {"error": told}))
    if (file := page_file(asked.method, asked.target)) is not None:
        return Reply(200, {"Content-Type": file.media_type, **HEADERS}, file.content)
    changed = perform(sources, asked.method, asked.target, asked.client)
    return as_json(changed or respond(sources, asked.method, asked.target))


def as_json(answer: Answer) -> Reply:
    """Return an answer of the API as it is sent."""
    body = json.dumps(answer.body).encode() + b"\n"
    return Reply(answer.status, {"Content-Type": "application/json"}, body)
