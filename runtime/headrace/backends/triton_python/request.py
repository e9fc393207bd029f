"""`pb_utils.InferenceRequest`: what one caller sent, or what a model asks of another one."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from headrace.backends.triton_python import calls
from headrace.backends.triton_python.refusals import TritonModelException, refuse
from headrace.backends.triton_python.response import InferenceResponse
from headrace.backends.triton_python.sender import ResponseSender
from headrace.backends.triton_python.tensor import Tensor
from headrace.errors import CallFailed
from headrace.models.calling import Call, Ongoing

START: Final = 1
END: Final = 2
MICROSECONDS: Final = 1e6
#: Methods of a request that are not served.
NOT_TOLD: Final = {
    "trace": "requests have no traces",
    "set_release_flags": "a request runs once: iterate in execute()",
}
#: What a request that a caller sent does not tell, and why.
OF_CALLERS: Final = {
    "request_id": "a request's id stays with the gateway: send it as a parameter",
    "timeout": "deadlines are kept by the server: ask is_cancelled()",
    "exec": "it came from a caller: make another one of its inputs",
    "get_response_sender": "it was made here: exec() returns its response",
}


@dataclass(frozen=True)
class Told:
    """What every request of a version says of it."""

    model: str
    version: int
    outputs: Sequence[str]


class PreferredMemory:
    """Where a model would like outputs to be: they come in the host's memory nevertheless."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self.type, self.device_id = preferred_memory_type, preferred_device_id


class InferenceRequest:
    """One request: as `execute` gets it, or as a model makes it for another one."""

    _sender: ResponseSender | None = None

    def __init__(  # noqa: PLR0913 - Triton's
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Sequence[str] = (),
        model_name: str | bytes = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Make one, to be sent; ``timeout`` in microseconds, 0 for the version's own limit.

        Raises:
            TritonModelException: an argument is none of Triton's.
        """
        name = model_name.decode() if isinstance(model_name, bytes) else str(model_name)
        of = f"for request with id '{request_id}' and model name '{name}' should not be empty."
        if any(not isinstance(one, Tensor) for one in inputs):
            raise TritonModelException(f"Input tensor {of}")
        if not all(requested_output_names):
            raise TritonModelException(f"Requested output name {of}")
        if not isinstance(correlation_id, int | str):
            raise TritonModelException("Correlation ID must be integer or string")
        self._id, self._timeout = request_id, timeout
        self._told = Told(name, model_version, list(requested_output_names))
        self._inputs = list(inputs)
        self._parameters: Mapping[str, Any] = dict(parameters or {})
        self._correlation: int | str = correlation_id
        self._flags = flags

    @staticmethod
    def received(
        told: Told,
        inputs: Sequence[Tensor],
        parameters: Mapping[str, Any],
        sender: ResponseSender,
        sequence: Any = None,
    ) -> "InferenceRequest":
        """Return what a caller sent.

        Args:
            told: of the version.
            inputs: of this request.
            parameters: of this request.
            sender: where its answer goes.
            sequence: that it is of: ``id``, ``start`` and ``end``; None if of none.
        """
        one = InferenceRequest(inputs=inputs, parameters=parameters)
        one._told = told
        one._sender = sender
        if sequence is not None:
            one._correlation = sequence.id
            one._flags = START * bool(sequence.start) | END * bool(sequence.end)
        return one

    def inputs(self) -> list[Tensor]:
        """Return its inputs."""
        return self._inputs

    def parameters(self) -> str:
        """Return the parameters that its caller sent, as a JSON object."""
        return json.dumps(dict(self._parameters))

    def requested_output_names(self) -> list[str]:
        """Return the names; of what a caller sent, of all: what nobody asked for is dropped."""
        return list(self._told.outputs)

    def model_name(self) -> str:
        """Return the model's name."""
        return self._told.model

    def model_version(self) -> int:
        """Return the version's number."""
        return self._told.version

    def correlation_id(self) -> int | str:
        """Return which sequence it is of; 0 if of none."""
        return self._correlation

    def flags(self) -> int:
        """Return whether it begins a sequence (1) and ends it (2), or-ed."""
        return self._flags

    def set_flags(self, flags: int) -> None:
        """Say whether it begins a sequence (1) and ends it (2), or-ed."""
        self._flags = flags

    def request_id(self) -> str:
        """Return the id that it was made with."""
        self._check_made("request_id")
        return self._id

    def timeout(self) -> int:
        """Return the microseconds that it was made with."""
        self._check_made("timeout")
        return self._timeout

    def exec(self, decoupled: bool = False) -> InferenceResponse | Iterator[InferenceResponse]:
        """Send it, and return the response; of a ``decoupled`` model all of them, as they come."""
        try:
            ongoing = self._begin(decoupled)
        except CallFailed as error:
            return iter([calls.failed(error)]) if decoupled else calls.failed(error)
        return calls.ResponseIterator(ongoing) if decoupled else calls.whole(ongoing)

    def async_exec(self, decoupled: bool = False) -> Awaitable[Any]:
        """Send it at once; to await what `exec` returns. Those of a decoupled model block."""
        try:
            ongoing = self._begin(decoupled)
        except CallFailed as error:
            failed = calls.failed(error)
            return _ready(iter([failed]) if decoupled else failed)
        return _when_ready(ongoing, calls.ResponseIterator if decoupled else calls.whole)

    def is_cancelled(self) -> bool:
        """Return whether its caller waits no more, as of now."""
        return self._sender is not None and self._sender.is_cancelled()

    def get_response_sender(self) -> ResponseSender:
        """Return what sends its answer, now or from another thread."""
        if self._sender is None:
            refuse("InferenceRequest.get_response_sender()", OF_CALLERS["get_response_sender"])
        self._sender.is_taken = True
        return self._sender

    def _begin(self, decoupled: bool) -> Ongoing:
        self._check_made("exec")
        parameters = dict(self._parameters)
        if self._correlation:
            parameters["sequence_id"] = self._correlation
            parameters["sequence_start"] = bool(self._flags & START)
            parameters["sequence_end"] = bool(self._flags & END)
        call = Call(
            self._told.model,
            {one.name(): one.raw for one in self._inputs},
            version=self._told.version if self._told.version > 0 else None,
            outputs=self._told.outputs,
            parameters=parameters,
            timeout_s=self._timeout / MICROSECONDS if self._timeout else None,
            id=self._id,
        )
        return calls.begin(call, in_parts=decoupled)

    def _check_made(self, name: str) -> None:
        if self._sender is not None:
            refuse(f"InferenceRequest.{name}()", OF_CALLERS[name])

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in NOT_TOLD:
            raise AttributeError(f"pb_utils.InferenceRequest has no {name}")

        def refused(*given: Any, **named: Any) -> NoReturn:
            refuse(f"InferenceRequest.{name}()", NOT_TOLD[name])

        return refused


async def _ready(found: Any) -> Any:
    return found


async def _when_ready(ongoing: Ongoing, take: Callable[[Ongoing], Any]) -> Any:
    await ongoing.when_ready()
    return take(ongoing)
