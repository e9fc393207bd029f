"""`pb_utils.InferenceResponseSender`: answers of one request, sent from whichever thread."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from headrace.backends.triton_python.refusals import TritonModelException
from headrace.backends.triton_python.response import InferenceResponse

#: Flag of `send`: the answer is whole.
COMPLETE_FINAL: Final = 1
#: Answers of one request that may wait for their reader; `send` blocks while there are as many.
MOST_WAITING: Final = 16


class ResponseSender:
    """Where a model puts the answers of one request, and the server takes them."""

    def __init__(
        self,
        changed: threading.Condition,
        is_live: Callable[[], bool] = lambda: True,
        *,
        most: int | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with none.

        Args:
            changed: told of every answer; one for all requests of a version.
            is_live: whether the caller still waits.
            most: answers that there may be in all; None is any number.
            told: called of each, and of the last word, by who sends it.
        """
        self._changed = changed
        self._is_live = is_live
        self._most = most
        self._told = told
        self._waiting: deque[InferenceResponse] = deque()
        self._sent = 0
        #: The model has asked for it.
        self.is_taken = False
        #: The model has said the last word.
        self.is_final = False
        #: The caller is told no more.
        self.is_closed = False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send an answer, or with the flag COMPLETE_FINAL say that it was the last one.

        Blocks while the reader is 16 answers behind. What nobody waits for any more is dropped.

        Raises:
            TritonModelException: the last one was sent before, or it is one too many.
            TypeError: it is no response.
        """
        if response is not None and not isinstance(response, InferenceResponse):
            kind = type(response).__name__
            raise TypeError(f"send() expects a pb_utils.InferenceResponse, not {kind}")
        if response is None and not flags & COMPLETE_FINAL:
            raise TritonModelException(
                "send() without a response is for the flag TRITONSERVER_RESPONSE_COMPLETE_FINAL"
            )
        with self._changed:
            if self.is_final:
                raise TritonModelException("send() after the flag that said it was the last one")
            if response is not None:
                self._put(response)
            self.is_final = bool(flags & COMPLETE_FINAL)
            self._changed.notify_all()
        self._told()

    def _put(self, response: InferenceResponse) -> None:
        if self._most is not None and self._sent >= self._most:
            raise TritonModelException(
                "a model that is not decoupled sends one response a request: say "
                "model_transaction_policy { decoupled: true } in config.pbtxt"
            )
        self._sent += 1
        self._changed.wait_for(lambda: self.is_closed or len(self._waiting) < MOST_WAITING)
        if not self.is_closed:
            self._waiting.append(response)

    def is_cancelled(self) -> bool:
        """Return whether the caller waits no more, as of now."""
        return self.is_closed or not self._is_live()

    def take(self) -> InferenceResponse | None:
        """Return the oldest that waits; None if none does. For the server's side."""
        with self._changed:
            taken = self._waiting.popleft() if self._waiting else None
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Drop what waits and what comes: nobody reads it. For the server's side."""
        with self._changed:
            self.is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def has_waiting(self) -> bool:
        """There is something to take."""
        return bool(self._waiting)

    @property
    def has_news(self) -> bool:
        """There is something to take, or the last word was said."""
        return bool(self._waiting) or self.is_final
