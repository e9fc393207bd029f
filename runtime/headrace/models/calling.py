"""A call that a model makes of another one, and what it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from headrace.errors import CalledEarly


@dataclass(frozen=True)
class Call:
    """What is asked. Arrays are copied as the call begins."""

    model: str
    #: Arrays with an axis of rows, as any client sends them; lists of ``bytes`` or ``str``.
    inputs: Mapping[str, Any]
    #: None: as the traffic of the model is divided.
    version: int | None = None
    #: Names of those that are wanted; none for all.
    outputs: Sequence[str] = ()
    #: ``bool``, ``int``, ``float`` or ``str`` each.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: None: as long as the version's own limits let it wait. Never longer than its callers wait.
    timeout_s: float | None = None
    #: By which ``headrace why`` knows it.
    id: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of a call, or a part of it."""

    model: str
    version: int
    id: str
    parameters: Mapping[str, Any]
    #: Read-only arrays ``[rows, *shape]``; BYTES as those of a batch.
    outputs: Mapping[str, Any]


class Ongoing(Protocol):
    """A call on its way. Whoever drops it takes it back."""

    def next(self) -> Answer | None:
        """Return the answer, or its next part; None after the last. Blocks until it is there.

        Raises:
            CallFailed: there is none.
        """

    async def when_ready(self) -> None:
        """Return once `next` would not block."""

    def cancel(self) -> None:
        """Take it back."""


class Caller(Protocol):
    """Makes the calls of one version."""

    def begin(self, call: Call, *, in_parts: bool = False) -> Ongoing:
        """Send it. ``in_parts``: it may be answered with any number of parts.

        Raises:
            CallFailed: it cannot be sent now.
            TypeError: it has what cannot be sent.
            ValueError: the same.
        """


class Nobody:
    """No server runs the model."""

    def begin(self, call: Call, *, in_parts: bool = False) -> NoReturn:
        """Refuse.

        Raises:
            CalledEarly: always.
        """
        raise CalledEarly(call.model)
