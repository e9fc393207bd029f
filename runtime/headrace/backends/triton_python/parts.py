"""A decoupled `TritonPythonModel`, as a Model that answers in parts.

`execute` runs in a thread of its own, for a model may send from it, or from others, for as long as
it likes; a step takes what was sent, since parts go out in steps only.
"""

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import ref

from headrace.backends.triton_python.around import Around
from headrace.backends.triton_python.instance import Instance
from headrace.backends.triton_python.refusals import TritonModelException
from headrace.backends.triton_python.request import InferenceRequest
from headrace.backends.triton_python.response import InferenceResponse, TritonError
from headrace.backends.triton_python.sender import COMPLETE_FINAL, ResponseSender
from headrace.backends.triton_python.whole import array, tensor
from headrace.errors import ModelBroken
from headrace.models import Context
from headrace.models import Sequence as AtWork
from headrace.models import Tensor as Declared
from headrace.models.behalf import Together, Work, working_for
from headrace.models.sequence import work_of

#: Gives requests to `execute`.
HandOver = Callable[["Joined"], None]


@dataclass(frozen=True)
class Joined:
    """What one `execute` gets, each request with its sender, and for whom it works."""

    requests: list[InferenceRequest]
    senders: list[ResponseSender]
    work: Work


class _Kept:
    """What a request at work keeps: with it goes who reads, and the model may hear of that."""

    def __init__(self, sender: ResponseSender) -> None:
        self.sender = sender

    def __del__(self) -> None:
        self.sender.close()


class InParts(Around):
    """Hands requests to `execute`, and what it sends to their callers."""

    def __init__(
        self,
        instance: Instance,
        inputs: Sequence[Declared],
        outputs: Sequence[Declared],
        *,
        has_rows: bool,
    ) -> None:
        """``has_rows``: tensors have an axis of rows for callers, and so for the class."""
        super().__init__(instance, inputs, outputs, has_rows=has_rows)
        self._changed = threading.Condition()
        self._log = logging.getLogger("headrace.model")
        self._hand_over: HandOver

    def load(self, context: Context) -> None:
        """Call `initialize`; what it raises comes through."""
        super().load(context)
        self._log = context.log
        start = _loop if self._instance.is_async else _thread
        self._hand_over = start(self._instance, f"{context.model} execute")

    def step(self, sequences: Sequence[AtWork]) -> None:
        """Send what the model has sent since the last step."""
        self._join([one for one in sequences if one.state is None])
        for one in sequences:
            self._deliver(one)

    def _join(self, joined: Sequence[AtWork]) -> None:
        requests, senders = [], []
        for one in joined:
            sender = ResponseSender(self._changed, told=partial(_wake, ref(one)))
            one.state = _Kept(sender)
            inputs = [
                tensor(each, one.inputs[each.name], 0, one.rows, has_rows=self._has_rows)
                for each in self.inputs
            ]
            requests.append(InferenceRequest.received(self._told, inputs, one.parameters, sender))
            senders.append(sender)
        if requests:
            work = Together([work_of(one) for one in joined])
            self._hand_over(Joined(requests, senders, work))

    def _deliver(self, one: AtWork) -> None:
        """Send what waits, and end what is whole."""
        sender: ResponseSender = one.state.sender
        while not one.is_paused and (response := sender.take()) is not None:
            error = response.error()
            try:
                if error is None:
                    one.emit(
                        **{
                            each.name: array(response, each, one.rows, has_rows=self._has_rows)
                            for each in self.outputs
                        }
                    )
                    continue
            except ModelBroken as broken:
                error = TritonError(str(broken))
                self._log.error("%s", broken)
            one.reject(error.told)
            return
        if sender.is_final and not sender.has_waiting:
            one.end()
            return
        one.rest()
        # What was sent before that has woken nobody.
        if sender.has_news:
            one.wake()


def _wake(at_work: "ref[AtWork]") -> None:
    """Have a request stepped that has news; weak, for it goes when its caller does."""
    one = at_work()
    if one is not None:
        one.wake()


def _failed(senders: Sequence[ResponseSender], error: BaseException) -> None:
    """End the requests of one `execute` that raised, as far as they have not ended."""
    text = f"execute() raised {type(error).__name__}: {error}"
    for sender in senders:
        # Unless the model has said the last word itself.
        with suppress(TritonModelException):
            sender.send(InferenceResponse(error=TritonError(text)), flags=COMPLETE_FINAL)


def _check(returned: Any) -> None:
    if returned is not None:
        raise ModelBroken(
            "execute() of a decoupled model should return None and send its responses, but it "
            f"returned {type(returned).__name__}"
        )


def _thread(instance: Instance, name: str) -> HandOver:
    """Start a thread that runs one `execute` after the other; return what hands it requests."""
    # No longer than the requests that the core has let in.
    handed: queue.SimpleQueue[Joined] = queue.SimpleQueue()

    def work() -> None:
        while True:
            joined = handed.get()
            _execute(instance, joined)
            del joined
            working_for.set(None)

    threading.Thread(target=work, name=name, daemon=True).start()
    return handed.put


def _execute(instance: Instance, joined: Joined) -> None:
    process = os.getpid()
    working_for.set(joined.work)
    try:
        _check(instance.execute(joined.requests))
    except BaseException as error:
        instance.report(error)
        _failed(joined.senders, error)
    finally:
        if os.getpid() != process:
            # A child that came back: its parent answers.
            os._exit(0)


def _loop(instance: Instance, name: str) -> HandOver:
    """Start an event loop that runs every `execute` at once; return what hands it requests."""
    loop = asyncio.new_event_loop()
    threading.Thread(
        target=instance.within, args=(loop.run_forever,), name=name, daemon=True
    ).start()

    async def run(joined: Joined) -> None:
        # Of this task alone.
        working_for.set(joined.work)
        try:
            _check(await instance.coroutine(joined.requests))
        except BaseException as error:
            instance.report(error)
            _failed(joined.senders, error)

    def hand_over(joined: Joined) -> None:
        asyncio.run_coroutine_threadsafe(run(joined), loop)

    return hand_over
