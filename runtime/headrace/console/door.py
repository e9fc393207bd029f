"""What every request to the console passes, and what every answer has."""

import json
from email.utils import formatdate

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.console.webpage import may_ask


class Door:
    """Lets in who names this machine, and says of every answer whose it is."""

    def __init__(self, app: ASGIApp, listens_on: str) -> None:
        self._app = app
        self._listens_on = listens_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it, of HTTP alone."""
        asked = Headers(scope=scope)
        # A body is never read: what follows on this connection would be it.
        closes = bool(asked.get("content-length") or asked.get("transfer-encoding"))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Server"] = "headrace"
                headers["Date"] = formatdate(usegmt=True)
                if closes:
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
        # The server leaves an answer's body out where HEAD was asked.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._app({**scope, "method": method, "path": path}, receive, answer)


async def refuse(send: Send, status: int, text: str) -> None:
    """Answer with an error, in words."""
    body = json.dumps({"error": text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
