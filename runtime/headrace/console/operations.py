"""What the console lets an operator change. Each engine has one of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.repository.changed import Changed
from headrace.repository.instances import shown


@dataclass(frozen=True)
class Applied:
    """A version that batches otherwise from now on."""

    #: ``photos/1``.
    version: str
    #: ``batching.max_rows 64 -> 32``.
    changes: Sequence[str]
    #: Hosts that carry it and have said that they do so.
    hosts: int
    #: Hosts that were told; who has not said so yet does it as soon as he can.
    told: int


class Operations(Protocol):
    """Any thread may call these."""

    def apply(self, model: str) -> Sequence[Applied]:
        """Read the model.yaml of ``model``, of all where it is empty, and serve as it says.

        No request is lost; a host that is replaced begins so, too.

        Raises:
            HeadraceError: it cannot be applied, and nothing was changed.
        """
        ...

    def compare(self, model: str) -> Sequence[Changed]:
        """Return what the files of ``model``, of all where it is empty, say that does not run.

        Raises:
            HeadraceError: they cannot be read, or are wrong.
        """
        ...


def as_json(applied: Sequence[Applied]) -> dict[str, Any]:
    """Return the answer to ``POST /api/apply``."""
    return {
        "applied": [
            {
                "version": shown(one.version),
                "changes": list(one.changes),
                "hosts": one.hosts,
                "told": one.told,
            }
            for one in applied
        ]
    }
