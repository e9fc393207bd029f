"""Bodies that nobody reads, of requests that are refused before."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive

#: Closed with bytes unread a connection is reset, and a client that still writes never sees why. So
#: much is read away first, in so long.
MOST_BYTES: Final = 16 << 20
PATIENCE_S: Final = 2.0


class Unread:
    """What of a request's body nobody has heard yet."""

    def __init__(self, asked: Headers, receive: Receive) -> None:
        """Expect what the headers announce, none of which was received."""
        self._receive = receive
        self.is_some = bool(asked.get("content-length") or asked.get("transfer-encoding"))
        # Who asks before sending a body sends none until somebody wants to hear it.
        self._waits = "expect" in asked

    async def hear(self) -> Message:
        """Receive, as ASGI has it."""
        self._waits = False
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            self.is_some = False
        return message

    async def read_away(self) -> None:
        """Hear the rest of it, if it ends soon."""
        came = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self.is_some and not self._waits and came <= MOST_BYTES:
                    message = await self.hear()
                    if message["type"] == "http.disconnect":
                        return
                    came += len(message["body"])
