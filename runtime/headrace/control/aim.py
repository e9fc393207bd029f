"""What an engine is to bring about, from what is wanted. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from headrace.control.engine import Assignment, Divisions
from headrace.control.wanted import Wanted
from headrace.execution.policy import Division, check
from headrace.repository.folder import Version
from headrace.repository.instances import control


def assignments(
    wanted: Mapping[str, Wanted],
    versions: Mapping[str, Version],
    held_back: Collection[str] = frozenset(),
) -> list[Assignment]:
    """Return what is to be carried; ``versions``: what each was when it was asked for, by label."""
    return [
        one
        for model, now in sorted(wanted.items())
        for one in _of_model(model, now, versions)
        if one.version.label not in held_back
    ]


def _of_model(model: str, wanted: Wanted, versions: Mapping[str, Version]) -> Iterator[Assignment]:
    spare = spares(wanted)
    for number, asked in sorted(wanted.versions.items()):
        yield Assignment(versions[f"{model}/{number}"], asked, is_spare=number in spare)
    # Last, so that its version is there before it, and tells which files both have.
    if (one := wanted.traffic.control) is not None:
        twice = control(versions[f"{model}/{one.version}"], versions[f"{model}/{one.like}"])
        yield Assignment(twice, wanted.versions[one.version])


def held_back(wanted: Mapping[str, Wanted], there: Collection[str]) -> frozenset[str]:
    """Return the labels of versions that are wanted and not to be carried at this moment.

    Where the old one is to end first that is the old one, and as long as it is ``there`` the new
    one, too.
    """
    held = set[str]()
    for model, one in wanted.items():
        if one.pending is not None and one.pending.old_first:
            ends = {f"{model}/{number}" for number in one.pending.unload}
            comes = {f"{model}/{number}" for number in one.pending.shares}
            held |= ends if ends.isdisjoint(there) else ends | comes
    return frozenset(held)


def spares(wanted: Wanted) -> frozenset[int]:
    """Return the versions that nothing leads to: no share, now or soon, no alias, rule or shadow.

    There are none while it is not decided who has the traffic, or while a rollout goes on.
    """
    traffic, pending = wanted.traffic, wanted.pending
    if wanted.shares is None or traffic.judged:
        return frozenset()
    led = {version for version, share in wanted.shares.items() if share}
    led |= {*traffic.named, *(one.version for one in traffic.shadows)}
    led |= set() if pending is None else {*pending.shares, *pending.unload}
    return frozenset(wanted.versions) - led


def divisions(
    wanted: Mapping[str, Wanted],
    versions: Mapping[str, Version],
    barred: Callable[[str], frozenset[int]] = lambda model: frozenset(),
) -> Divisions:
    """Return how the requests of each model are divided, and of which versions some are watched.

    ``barred``: returns the versions of a model that get none by themselves.
    """
    return {
        model: replace(
            _division(model, one, versions),
            barred=barred(model) if one.shares is None else frozenset(),
        )
        for model, one in wanted.items()
    }


def require_taken(wanted: Mapping[str, Wanted], versions: Mapping[str, Version]) -> None:
    """Raise Unwanted if no gateway would take this: kept, it keeps later starts from serving."""
    check({model: one.versions for model, one in wanted.items()}, divisions(wanted, versions))


def _division(model: str, wanted: Wanted, versions: Mapping[str, Version]) -> Division:
    routes = {**wanted.traffic.as_policy(model), **_profiled(model, wanted, versions)}
    pending = wanted.pending
    if pending is not None and pending.old_first:
        return Division(pending.shares, routes, awaited=frozenset(pending.shares))
    shares = None if wanted.shares is None else wanted.traffic.divided(wanted.shares)
    return Division(shares, routes)


def _profiled(model: str, wanted: Wanted, versions: Mapping[str, Version]) -> dict[str, Any]:
    found = (versions[f"{model}/{number}"] for number in sorted(wanted.versions))
    rows = [
        {
            "version": one.number,
            "inputs": list(drift.inputs),
            "outputs": list(drift.outputs),
            "per_second": drift.sample_per_second,
        }
        for one in found
        if (drift := one.config.drift) is not None
    ]
    return {"profiled": rows} if rows else {}
