"""The versions of a run that its gateways carry themselves, as their files have them."""

from collections.abc import Mapping
from typing import Final

from headrace.errors import HeadraceError
from headrace.execution.unhosted import Carriage, read
from headrace.models.lifecycle import ANSWERING, Standing, State
from headrace.serve.accounts import Accounts
from headrace.serve.crew import Crew

#: Until a gateway has tried it.
AWAITED: Final = Standing(State.LOADING, "waiting for a gateway")

#: Of versions that are not on their way any more.
SETTLED: Final = ANSWERING | {State.FAILED}


def awaited_of(crew: Crew, standings: Mapping[str, Standing]) -> list[str]:
    """Return the labels of versions that a start waits for.

    Not what gateways have tried in vain: its server may be away for long.
    """
    unhosted = {one.label for one in crew.unhosted}

    def was_tried(label: str, one: Standing) -> bool:
        return label in unhosted and one.state is State.LOADING and one != AWAITED

    return [
        label
        for label, one in standings.items()
        if one.state not in SETTLED and not was_tried(label, one)
    ]


class Unhosted:
    """One thread calls all of this."""

    def __init__(self, crew: Crew, accounts: Accounts) -> None:
        self._crew = crew
        self._accounts = accounts
        #: By label; None where its file could not be read.
        self._read: dict[str, Carriage | None] = {}

    def carriages(self) -> list[Carriage]:
        """Return what gateways are to carry. Files are read once, when a version comes."""
        there = {one.label: one for one in self._crew.unhosted}
        self._read = {label: one for label, one in self._read.items() if label in there}
        for label, version in there.items():
            if label in self._read:
                continue
            try:
                one = self._read[label] = read(version)
            except (HeadraceError, OSError) as error:
                self._read[label] = None
                why = f"{type(error).__name__}: {error}"
                self._accounts.note(label, Standing(State.FAILED, why))
            else:
                self._crew.found(label, one.digest)
        stay = self._read.keys() - self._crew.leaving
        return [one for label, one in self._read.items() if one is not None and label in stay]

    def standing(self, label: str) -> Standing:
        """Return how one stands, as gateways have told."""
        return self._accounts.told(label).standing or AWAITED
