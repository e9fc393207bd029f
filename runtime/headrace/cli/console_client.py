"""The console's REST API, as commands read it."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from getpass import getuser
from http.client import HTTPException, IncompleteRead
from socket import gethostname
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from headrace.console.sources import CLIENT, SERVER
from headrace.errors import HeadraceError, Refused, Unreachable
from headrace.vocabulary import FIRST_PORT

#: An operator waits no longer for a line.
LIMIT_S: Final = 30.0
#: Nor for a decision, which may have gigabytes come from a registry first.
DECISION_S: Final = 3600.0
DEFAULT_URL: Final = f"http://127.0.0.1:{FIRST_PORT + 3}"
#: Holds the token of a console that listens beyond its machine.
TOKEN: Final = "HEADRACE_TOKEN"
#: Who asks where the system has no name for him, as in a container, or none that a header takes.
#: It is not the server's own, so that what he did is not taken for what followed by itself.
NOBODY_KNOWN: Final = "somebody"
TOKEN_FORM: Final = re.compile(r"[\x21-\x7e]{1,1000}")


def get(url: str, path: str, limit_s: float = LIMIT_S) -> Any:
    """Return what the console answers to ``GET path``.

    Raises:
        Unreachable: nobody answers there, or no console.
        Refused: the console says no; the text is its own.
    """
    try:
        return json.loads(send(_request(url, path), limit_s)[0])
    except Refused as error:
        if error.status != 404 or error.server == SERVER:
            raise
        raise _no_console(url) from error
    except ValueError as error:
        raise _no_console(url) from error


def post(
    url: str, path: str, body: Any = None, *, default: Callable[[Any], Any] | None = None
) -> Any:
    """Return what the console answers to ``POST path``, with ``body`` as JSON if it is given.

    ``default``: makes of what JSON has not what it has.

    Raises as `get` does.
    """
    headers, data = {CLIENT: whoami()}, None
    if body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body, ensure_ascii=False, default=default).encode()
    request = _request(url, path, method="POST", headers=headers, data=data)
    try:
        return json.loads(send(request, DECISION_S)[0])
    except ValueError as error:
        raise _no_console(url) from error


def whoami() -> str:
    """Return who the journal says did it: the user and the machine, as far as they are known."""
    with suppress(OSError, KeyError):
        name = f"{getuser()}@{gethostname()}"
        if name.isascii() and name.isprintable():
            return name
    return NOBODY_KNOWN


def check_speaker(url: str, name: str) -> None:
    """Check that ``name`` is of a model or version, or of whoever else the log has lines of.

    Raises:
        HeadraceError: with the names that there are.
    """
    names = {line["speaker"] for line in get(url, "/api/logs?limit=1000")["lines"]}
    for model in get(url, "/api/status")["models"]:
        names.add(model["name"])
        names.update(f"{model['name']}/{one['version']}" for one in model["versions"])
    if name and name not in names:
        raise HeadraceError(f"the log knows no {name!r}; it knows {', '.join(sorted(names))}")


def check_url(url: str) -> None:
    """Check that a request can be made to ``url``.

    Raises:
        Unreachable: it is no address of a server.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise Unreachable(
            f"expected --url or HEADRACE_URL like {DEFAULT_URL}, the server's console, not {url!r}"
        )


def send(request: Request, limit_s: float = LIMIT_S) -> tuple[bytes, dict[str, str]]:
    """Return body and headers (lower case) of an answer.

    Raises:
        Unreachable: nobody answers there.
        Refused: the status is not 200.
    """
    with _answer(request, limit_s) as answer:
        return answer.read(), {name.lower(): text for name, text in answer.headers.items()}


def read_lines(request: Request) -> Iterator[bytes]:
    """Yield the lines of an answer as they come.

    Raises:
        Unreachable: nobody answers there, or the answer broke off.
        Refused: the status is not 200.
    """
    with _answer(request, LIMIT_S) as answer:
        yield from answer


def follow(url: str, *, looks: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield the console's events, kind and facts, as they come; ``begin`` at each beginning.

    With ``looks`` there is one each second, at least.

    Raises:
        Unreachable: nobody answers there, by now.
        Refused: as many follow as may.
    """
    last, path = "", f"/api/events{'?look=1' if looks else ''}"
    while True:
        request = _request(url, path, headers={"Last-Event-ID": last})
        kind, began = "", False
        try:
            for line in read_lines(request):
                name, _, said = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind, began = said, True
                elif name == "id":
                    last = said
                elif name == "data":
                    yield kind, json.loads(said)
        except Unreachable as error:
            # Nothing happened for a while. Whether somebody is still there the next one shows; but
            # who tells each second how it goes stands still.
            if looks or not isinstance(error.__cause__, TimeoutError):
                raise
        except ValueError as error:
            raise _no_console(url) from error
        if not began:
            raise _no_console(url)


@contextmanager
def _answer(request: Request, limit_s: float) -> Iterator[Any]:
    try:
        with urlopen(request, timeout=limit_s) as answer:
            yield answer
    except HTTPError as error:
        server = error.headers.get("Server", "")
        raise Refused(error.code, _reason(error.read()), server) from error
    except IncompleteRead as error:
        raise Unreachable(f"the answer of {request.full_url} broke off before its end") from error
    except HTTPException as error:
        raise Unreachable(
            f"who answers at {request.full_url} does not speak HTTP ({type(error).__name__}): "
            f"--url or HEADRACE_URL says where the console is, {DEFAULT_URL} if not moved"
        ) from error
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"nobody answers at {request.full_url} ({reason}); is `headrace serve` running? "
            "--url or HEADRACE_URL says where its console is"
        ) from error


def _request(url: str, path: str, **more: Any) -> Request:
    check_url(url)
    request = Request(url.rstrip("/") + path, **more)
    if token := os.environ.get(TOKEN, ""):
        if not TOKEN_FORM.fullmatch(token):
            # Not shown: it may be one all the same.
            raise HeadraceError(
                f"{TOKEN} is no token: expected the line of console-token in the state folder of "
                "the server"
            )
        # Whom the console names instead of itself does not get it.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _no_console(url: str) -> Unreachable:
    return Unreachable(
        f"{url} is no console of headrace: --url or HEADRACE_URL should name it, {DEFAULT_URL} if "
        "not moved; `headrace serve` prints it, the fourth of its ports"
    )


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason given"
