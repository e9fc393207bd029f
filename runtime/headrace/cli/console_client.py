"""The console's REST API, as commands read it."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from headrace.errors import Refused, Unreachable

#: An operator waits no longer for a line.
LIMIT_S = 30.0


def get(url: str, path: str) -> Any:
    """Return what the console answers to ``GET path``.

    Raises:
        Unreachable: nobody answers there.
        Refused: the console says no; the text is its own.
    """
    return json.loads(send(Request(url.rstrip("/") + path))[0])


def send(request: Request) -> tuple[bytes, dict[str, str]]:
    """Return body and headers (lower case) of an answer.

    Raises:
        Unreachable: nobody answers there.
        Refused: the status is not 200.
    """
    try:
        with urlopen(request, timeout=LIMIT_S) as answer:
            return answer.read(), {name.lower(): text for name, text in answer.headers.items()}
    except HTTPError as error:
        raise Refused(error.code, _reason(error.read())) from error
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"nobody answers at {request.full_url} ({reason}); is `headrace serve` running? "
            "--url or HEADRACE_URL says where its console is"
        ) from error


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason given"
