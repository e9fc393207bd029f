"""What a controller asks of an engine, and what an engine begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.execution.policy import Division
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version
from headrace.repository.instances import version_of


@dataclass(frozen=True)
class Assignment:
    """A version that is to be carried."""

    version: Version
    #: How often it was asked for anew, after it could not be loaded.
    asked: int = 0
    #: Nothing leads to it: it may be unloaded for others, where its model.yaml says so.
    is_spare: bool = False

    @property
    def number(self) -> int:
        """The version's, of which a control is a second instance."""
        return version_of(self.version.number)


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
class Coming:
    """A version that nobody has seen yet."""

    version: Version
    #: It takes all traffic once it is ready.
    swaps: bool
    #: It gets none, whatever its model.yaml says: a rollout rolled it back.
    is_quarantined: bool = False


def by_model(standings: Mapping[str, Standing]) -> dict[str, dict[int, Standing]]:
    """Return how versions stand, by model and number, from how they stand by label."""
    found: dict[str, dict[int, Standing]] = {}
    for label, one in standings.items():
        model, _, number = label.rpartition("/")
        found.setdefault(model, {})[int(number)] = one
    return found
