"""`pb_utils.InferenceResponse` and `TritonError`: what a model answers one request with."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.backends.triton_python.refusals import refuse
from headrace.backends.triton_python.tensor import Tensor


class TritonError:
    """Why a request is not answered, and Triton's code of that."""

    UNKNOWN: Final = 0
    INTERNAL: Final = 1
    NOT_FOUND: Final = 2
    INVALID_ARG: Final = 3
    UNAVAILABLE: Final = 4
    UNSUPPORTED: Final = 5
    ALREADY_EXISTS: Final = 6
    CANCELLED: Final = 7

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        if not 0 <= code < len(CODES):
            raise ValueError(f"TritonError has no code {code!r}: expected one of its constants")
        self._message = str(message)
        self._code = code

    def message(self) -> str:
        """Return the text."""
        return self._message

    def code(self) -> int:
        """Return the number."""
        return self._code

    @property
    def told(self) -> str:
        """What a caller is told: codes travel in the text, for every row is refused as one."""
        plain = self._code in (self.INTERNAL, self.INVALID_ARG)
        return self._message if plain else f"{self._message} [{CODES[self._code]}]"


#: By their numbers.
CODES: Final = (
    "UNKNOWN",
    "INTERNAL",
    "NOT_FOUND",
    "INVALID_ARG",
    "UNAVAILABLE",
    "UNSUPPORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
)


class InferenceResponse:
    """The outputs of one request, or why there are none."""

    def __init__(
        self,
        output_tensors: Sequence[Tensor] = (),
        error: TritonError | str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the outputs; with an ``error`` they are not looked at.

        Raises:
            TritonModelException: there are ``parameters``, which are not served.
            TypeError: an output is no `Tensor`.
        """
        if parameters:
            refuse("InferenceResponse(parameters=…)", "answers carry tensors alone: add an output")
        for one in output_tensors:
            if not isinstance(one, Tensor):
                kind = type(one).__name__
                raise TypeError(f"output_tensors: expected pb_utils.Tensor, not {kind}")
        self._tensors = list(output_tensors)
        self._parameters: dict[str, Any] = {}
        self._error = TritonError(error) if isinstance(error, str) else error

    @staticmethod
    def received(tensors: list[Tensor], parameters: Mapping[str, Any]) -> "InferenceResponse":
        """Return what another model has answered."""
        one = InferenceResponse(tensors)
        one._parameters = dict(parameters)
        return one

    def output_tensors(self) -> list[Tensor]:
        """Return the outputs."""
        return self._tensors

    def has_error(self) -> bool:
        """Return whether it is an error."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """Return the error, if it is one."""
        return self._error

    def parameters(self) -> str:
        """Return the parameters as JSON: those of a response that was received."""
        return json.dumps(self._parameters)
