"""From versions and how they stand to the table that gateways route by."""

import json
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from headrace.errors import Unwanted
from headrace.models.lifecycle import INDEX_STATES, Standing, State

#: Shares are in parts of this, and those of a model add up to it.
WHOLE: Final = 10_000

AWAITED: Final = Standing(State.DECLARED, "waiting to be loaded")


@dataclass(frozen=True)
class Division:
    """How the requests of a model are divided among its versions."""

    #: Version → its part of those that name none, of `WHOLE`; none where that is not decided.
    shares: Mapping[int, int] | None = None
    #: Aliases, rules, what sticks and shadows, as the core reads them.
    routes: Mapping[str, Any] = field(default_factory=dict)
    #: Versions whose requests wait until they are ready, however they stand.
    awaited: frozenset[int] = frozenset()
    #: Versions that get none of those that name none as long as that is not decided.
    barred: frozenset[int] = frozenset()

    @property
    def leads_to(self) -> list[int]:
        """The versions that an alias or a rule leads to, or that are shadows."""
        kinds = ("aliases", "rules", "shadows")
        return [one["version"] for kind in kinds for one in self.routes.get(kind, ())]


@dataclass(frozen=True)
class Epoch:
    """Which table is the newer one: the later term, and within it the later sequence."""

    term: int = 1
    sequence: int = 1


def shares(standings: Mapping[int, Standing]) -> dict[int, int]:
    """Return each version's share of the requests that name none, of `WHOLE`.

    The highest version that is ready takes all; while none is, the highest one that may become so.
    Where there is none nobody answers them.
    """

    def preference(version: int) -> tuple[bool, bool, int]:
        state = standings[version].state
        return state is State.READY, state not in (State.FAILED, State.DRAINING), version

    chosen = max(standings, key=preference, default=None)
    return {version: WHOLE if version == chosen else 0 for version in standings}


def table(
    epoch: Epoch,
    models: Mapping[str, Mapping[int, Standing]],
    proven: Mapping[str, Mapping[int, Standing]] | None = None,
    divided: Mapping[str, Division] = MappingProxyType({}),
    on_demand: Set[str] = frozenset(),
) -> str:
    """Return the policy table for the core, as JSON; versions that are gone are left out.

    Shares are as a model is ``divided``. Where it is not they go by ``proven``, if a gateway is to
    believe more of a version than is known of it. Requests for those that are ``on_demand``, by
    label, wait for them to be loaded.
    """
    held = {
        model: {
            version: standing
            for version, standing in standings.items()
            if standing.state is not State.GONE
        }
        for model, standings in models.items()
    }
    for model, division in divided.items():
        # Who has traffic is in the table, also while nothing of him is there.
        for version in (*(division.shares or ()), *division.leads_to):
            held.setdefault(model, {}).setdefault(version, AWAITED)
    facts: dict[str, Any] = {
        "epoch": {"term": epoch.term, "sequence": epoch.sequence},
        "models": {
            model: _entry(
                standings,
                divided.get(model, Division()),
                (proven or held).get(model, standings),
                {one for one in standings if f"{model}/{one}" in on_demand},
            )
            for model, standings in held.items()
            if standings
        },
    }
    return json.dumps(facts)


def check(versions: Mapping[str, Collection[int]], divided: Mapping[str, Division]) -> None:
    """Raise Unwanted with the mistakes if gateways would refuse these ``versions`` of models."""
    import headrace_core

    models = {model: dict.fromkeys(numbers, AWAITED) for model, numbers in versions.items()}
    try:
        headrace_core.check_policy(table(Epoch(), models, divided=divided))
    except ValueError as error:
        raise Unwanted(f"no gateway would take it, and nothing was changed: {error}") from None


def _entry(
    standings: Mapping[int, Standing],
    division: Division,
    proven: Mapping[int, Standing],
    on_demand: Set[int],
) -> dict[str, Any]:
    free = {one: standing for one, standing in proven.items() if one not in division.barred}
    weights = division.shares or shares(free)
    return {
        "versions": [
            {
                "version": version,
                "state": INDEX_STATES[standing.state],
                # Triton's index says nothing of what is ready.
                "reason": "" if standing.state is State.READY else standing.reason,
                # What failed is not tried again for every request.
                **(
                    {"on_demand": True}
                    if version in division.awaited or _waits(version, standing, on_demand)
                    else {}
                ),
            }
            for version, standing in sorted(standings.items())
        ],
        "weights": [
            {"version": version, "share": share}
            for version, share in sorted(weights.items())
            if share
        ],
        "rules": [],
        "sticky": None,
        "shadows": [],
        **division.routes,
    }


def _waits(version: int, standing: Standing, on_demand: Set[int]) -> bool:
    return version in on_demand and standing.state is not State.FAILED
