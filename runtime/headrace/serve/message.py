"""What is told to the thread of a run that decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """Told to the deciding thread.

    signal, broken, lost (Ray), listening, ready, settled, waits, silent, drained, late, or gone: a
    gateway's process.
    """

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
