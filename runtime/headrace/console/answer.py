"""What the console sends back."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A status and a body to be sent as JSON."""

    status: int
    body: Any
