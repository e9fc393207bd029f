"""One try to tell a hook of an event, over HTTP."""

import base64
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from headrace import __version__
from headrace.config.hooks import Hook
from headrace.hooks.answers import Answer
from headrace.hooks.event import CONTENT_TYPE
from headrace.registry.redacting import without_secrets

#: For a connection, and for each wait on it.
TIMEOUT_S: Final = 10.0
#: For all of a try: a receiver that sends a byte now and then holds up no event for ever.
DEADLINE_S: Final = 20.0
#: Of a response; the rest is left.
MOST_RESPONSE: Final = 64 << 10
#: Characters of what is no response, such as the greeting of a server of mail.
MOST_SAID: Final = 60


def post(hook: Hook, headers: Mapping[str, str], body: bytes) -> Answer:
    """Post a body and return what came of it. No redirect is followed, and no proxy is asked."""
    connection = _connection(hook)
    late = threading.Event()
    try:
        connection.connect()
        with _deadline(connection.sock, late):
            connection.request("POST", hook.target, body, {**_about(hook), **headers})
            response = connection.getresponse()
            # Headers that were cut off look as if they were whole.
            if late.is_set():
                return _too_late()
            with suppress(OSError, http.client.HTTPException):  # it has answered already
                response.read(MOST_RESPONSE)
            return Answer(response.status, retry_after=response.getheader("Retry-After", ""))
    except TimeoutError:
        return Answer(None, f"it gave no answer within {TIMEOUT_S:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _too_late() if late.is_set() else Answer(None, _told(error))
    finally:
        connection.close()


def _too_late() -> Answer:
    return Answer(None, f"it gave no whole answer within {DEADLINE_S:g} s")


def _told(error: Exception) -> str:
    return without_secrets(_words(error), os.environ)


def _words(error: Exception) -> str:
    # A connection that ends is one, too, and says so itself.
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return f"it does not speak HTTP: {str(error).strip()[:MOST_SAID]!r}"
    return str(error) or type(error).__name__


def _connection(hook: Hook) -> http.client.HTTPConnection:
    if hook.scheme == "http":
        return http.client.HTTPConnection(hook.host, hook.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(hook.host, hook.port, timeout=TIMEOUT_S, context=context)


def _about(hook: Hook) -> dict[str, str]:
    about = {"Content-Type": CONTENT_TYPE, "User-Agent": f"headrace/{__version__}"}
    if hook.user is not None:
        who = base64.b64encode(":".join(hook.user).encode()).decode()
        about["Authorization"] = f"Basic {who}"
    return about


@contextmanager
def _deadline(connected: socket.socket, late: threading.Event) -> Iterator[None]:
    """Break a connection that is still used at `DEADLINE_S`.

    It cannot be told from within: a socket's timeout begins anew with each byte. And it is told of
    the socket, which a connection forgets once an answer says that it is the last.
    """

    def end() -> None:
        late.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(DEADLINE_S, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
