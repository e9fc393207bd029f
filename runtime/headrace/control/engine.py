"""What a controller asks of an engine, and what an engine begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.control.wanted import Wanted
from headrace.execution.policy import AWAITED, Division
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version


@dataclass(frozen=True)
class Assignment:
    """A version that is to be carried."""

    version: Version
    #: How often it was asked for anew, after it could not be loaded.
    asked: int = 0


#: Of each model.
Divisions = Mapping[str, Division]


@dataclass(frozen=True)
class Beginning:
    """What a run begins with."""

    assignments: Sequence[Assignment] = ()
    divisions: Divisions = field(default_factory=dict)
    #: Of who decides: tables of a later term win over those of earlier ones.
    term: int = 1


class Engine(Protocol):
    """Brings about what is wanted, in its own time. Any thread may call these."""

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        """Carry these versions and no others, with traffic divided so.

        Replaces what was wanted before. A version that is carried already stays as it is.
        """
        ...

    def catch_up(self, limit_s: float) -> bool:
        """Wait until every gateway divides requests as is wanted now; False if it takes longer."""
        ...

    def standings(self) -> Mapping[str, Standing]:
        """Return how every version stands that is carried, by label."""
        ...


@dataclass(frozen=True)
class Row:
    """A version that is loaded, or could be."""

    version: Version
    #: It is to be carried.
    is_wanted: bool
    #: How it stands, where it is carried.
    standing: Standing | None
    #: Of the requests that name no version, in parts of `WHOLE`.
    share: int
    #: It takes so much as soon as it is ready.
    coming: int | None


def row(version: Version, wanted: Wanted, standing: Standing | None) -> Row:
    """Return what there is to say of a version.

    Args:
        version: one that is loaded, or could be.
        wanted: what is wanted of its model.
        standing: how it stands, where it is carried.
    """
    is_wanted = version.number in wanted.versions
    pending = wanted.pending.shares if wanted.pending else None
    return Row(
        version,
        is_wanted=is_wanted,
        standing=AWAITED if is_wanted and standing is None else standing,
        share=(wanted.shares or {}).get(version.number, 0),
        coming=None if pending is None else pending.get(version.number, 0),
    )
