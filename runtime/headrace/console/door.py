"""What every request to the console passes, and what every answer has."""

import json
from email.utils import formatdate
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.console.sources import SERVER
from headrace.console.token import Token
from headrace.console.unread import Unread
from headrace.console.webpage import FILES, may_ask

#: What needs no token: whether all is well, for those who watch, and the page, which asks for it.
OPEN: Final = frozenset({"/api/health", *FILES})
TOKEN_NEEDED: Final = (
    "this console listens beyond its machine: send `Authorization: Bearer TOKEN`, with the line of "
    "console-token in the server's state folder; commands read it from HEADRACE_TOKEN"
)


class Door:
    """Lets in who names this machine or has its token, and says of every answer whose it is."""

    def __init__(self, app: ASGIApp, listens_on: str, token: Token | None) -> None:
        self._app = app
        self._token = token
        self._listens_on = listens_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it, of HTTP alone."""
        asked = Headers(scope=scope)
        body = Unread(asked, receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.read_away()
                headers = MutableHeaders(scope=message)
                headers["Server"] = SERVER
                headers["Date"] = formatdate(usegmt=True)
                if message["status"] == 401:
                    headers["WWW-Authenticate"] = "Bearer"
                if body.is_some:
                    # What follows on this connection would be the rest of it.
                    headers["Connection"] = "close"
            await send(message)

        host = asked.get("host")
        if not may_ask(self._listens_on, host):
            told = f"the console answers to names and addresses of its machine, not {host!r:.80}"
            await refuse(answer, 403, told)
            return
        path: str = scope["path"]
        if path.startswith("/api/"):
            path = path.rstrip("/")
        if not self._may(path, asked.get("authorization", "")):
            await refuse(answer, 401, TOKEN_NEEDED)
            return
        # The server leaves an answer's body out where HEAD was asked.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._app({**scope, "method": method, "path": path}, body.hear, answer)

    def _may(self, path: str, authorization: str) -> bool:
        return self._token is None or path in OPEN or self._token.fits(authorization)


async def refuse(send: Send, status: int, text: str) -> None:
    """Answer with an error, in words."""
    body = json.dumps({"error": text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
