"""The console's answers, without a socket."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from headrace.console import deciding
from headrace.console.answer import Answer
from headrace.console.board import Board, as_json
from headrace.console.logbook import Logbook, TooManyWait
from headrace.console.operations import Operations
from headrace.console.operations import as_json as operations_json
from headrace.control.controller import Controller
from headrace.errors import HeadraceError, RepositoryInvalid

#: How long a request for lines that are still to come may wait: a client that leaves meanwhile is
#: noticed only then.
MOST_WAIT_S: Final = 10.0
#: Lines or errors that one answer may hold.
MOST: Final = 1000
MOST_DIGITS: Final = 18
#: Of a request's name the gateway keeps so many characters.
MOST_NAME: Final = 128
PATHS: Final = (
    "/api/health, /api/status, /api/versions, /api/journal, /api/logs, /api/errors, "
    "/api/errors/ID, /api/requests, /api/requests/ID and /api/shadows, and to POST /api/load, "
    "/api/unload, /api/split, /api/rule, /api/sticky, /api/shadow, /api/undo and /api/apply"
)
#: A page in somebody's browser cannot send it to another place than its own without asking there.
CLIENT: Final = "Headrace-Client"


@dataclass(frozen=True)
class Sources:
    """What the console's answers come from."""

    board: Board
    logbook: Logbook
    operations: Operations
    controller: Controller


def respond(sources: Sources, method: str, target: str) -> Answer:
    """Answer one request of the console's API that changes nothing."""
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    path = parts.path.rstrip("/")
    board, logbook = sources.board, sources.logbook
    if not path.startswith("/api/"):
        return Answer(404, {"error": f"no {parts.path} here: the console answers {PATHS}"})
    if method not in ("GET", "HEAD"):
        return Answer(405, {"error": f"{method} is not allowed: the console is read with GET"})
    if not _is_number(query.get("limit", "100")):
        return Answer(400, {"error": f"limit should be a number, not {query['limit']!r:.40}"})
    limit = min(MOST, max(1, int(query.get("limit", "100"))))
    if path == "/api/health":
        status = board.status()
        return Answer(200 if status.ready else 503, {"ready": status.ready})
    if path == "/api/status":
        return Answer(200, as_json(board.status()))
    if path == "/api/shadows":
        return Answer(200, {"shadows": as_json(board.status())["shadows"]})
    if path == "/api/logs":
        return _logs(logbook, query, limit)
    if path == "/api/errors" or path.startswith("/api/errors/"):
        return _errors(logbook, path, limit)
    if path == "/api/requests" or path.startswith("/api/requests/"):
        return _requests(board, path, limit)
    return deciding.tell(sources.controller, path, query) or Answer(
        404, {"error": f"no {parts.path} here: the console answers {PATHS}"}
    )


def perform(sources: Sources, method: str, target: str, client: str | None) -> Answer | None:
    """Answer one request that changes something; None where it does not.

    ``client``: the value of its header `CLIENT`, which says who asks.
    """
    parts = urlsplit(target)
    path = parts.path.rstrip("/")
    if path != "/api/apply" and path not in deciding.CHANGES:
        return None
    if method != "POST":
        return Answer(405, {"error": f"{method} is not allowed: send POST {path}?model=NAME"})
    if not client:
        said = f"send the header {CLIENT}, with who you are: no web page can"
        return Answer(403, {"error": said})
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if (answer := deciding.change(sources.controller, path, query, client)) is not None:
        return answer
    try:
        return Answer(200, operations_json(sources.operations.apply(query.get("model", ""))))
    except RepositoryInvalid as error:
        return Answer(404, {"error": str(error)})
    except HeadraceError as error:
        return Answer(409, {"error": str(error)})


def _errors(logbook: Logbook, path: str, limit: int) -> Answer:
    if path == "/api/errors":
        return Answer(200, {"errors": logbook.errors(limit)})
    error_id = path.removeprefix("/api/errors/")
    found = logbook.error(error_id)
    if found is None:
        return Answer(404, {"error": f"no error {error_id!r} in the log of this server"})
    return Answer(200, found)


def _requests(board: Board, path: str, limit: int) -> Answer:
    kept = board.requests()
    if path == "/api/requests":
        return Answer(200, {"requests": list(kept[:limit])})
    named = unquote(path.removeprefix("/api/requests/"))
    short = named[:MOST_NAME]
    found = [one for one in kept if one["id"] == short or str(one["call"]) == named]
    if not found:
        told = "failed ones are, one of 256 others, and those that bring x-headrace-timing"
        return Answer(404, {"error": f"no request {named!r} is kept: {told}"})
    return Answer(200, {"requests": found[:limit]})


def _logs(logbook: Logbook, query: Mapping[str, str], limit: int) -> Answer:
    """Return the last lines; with ``after``, those that came or come after so many."""
    speaker, after = query.get("model", ""), query.get("after")
    if after is None:
        lines, taken = logbook.recent(speaker, limit)
        return Answer(200, {"lines": lines, "taken": taken})
    if not _is_number(after):
        return Answer(400, {"error": f"after should be a number, not {after!r:.40}"})
    try:
        lines, taken = logbook.since(speaker, int(after), MOST_WAIT_S)
    except TooManyWait:
        return Answer(503, {"error": "too many wait for lines of the log: try again later"})
    return Answer(200, {"lines": lines, "taken": taken})


def _is_number(text: str) -> bool:
    # Python refuses to read thousands of digits.
    return text.isdecimal() and len(text) <= MOST_DIGITS
