"""Versions that nobody has seen yet, and what is wanted with them. Pure."""

from collections.abc import Mapping, Sequence

from headrace.control import wanted as words
from headrace.control.engine import Coming
from headrace.control.wanted import Wanted
from headrace.repository.folder import Version


def coming(wanted: Mapping[str, Wanted], found: Sequence[Version]) -> list[Coming]:
    """Return which of the versions that were found are new, and whether they take all traffic."""
    by_model: dict[str, dict[int, Version]] = {}
    for one in found:
        by_model.setdefault(one.model, {})[one.number] = one
    new = []
    for model, versions in by_model.items():
        before = wanted.get(model)
        after = with_new(before, versions)
        pending = after.pending.shares if after.pending is not None else {}
        new += [Coming(versions[one], one in pending) for one in added(before, after)]
    return new


def begun(before: Wanted | None, folder: str, found: Mapping[int, Version]) -> Wanted:
    """Return what a run begins with that has found these versions in a model's folder."""
    return words.begun(before, folder, swaps(found), serves(found), old_first(found))


def with_new(before: Wanted | None, found: Mapping[int, Version]) -> Wanted:
    """Return what is wanted with those of ``found``, which has some, that nobody has seen yet."""
    if before is None:
        return begun(None, str(next(iter(found.values())).home), found)
    known = dict.fromkeys({*before.versions, *before.unloaded}, False)
    return words.begun(before, before.folder, known | swaps(found), old_first=old_first(found))


def added(before: Wanted | None, after: Wanted) -> list[int]:
    """Return the versions that are wanted and were not before."""
    return sorted(set(after.versions) - set(before.versions if before else ()))


def new(before: Wanted | None, found: Mapping[int, Version]) -> list[int]:
    """Return which of these versions nobody has seen yet."""
    return added(before, with_new(before, found)) if found else []


def swaps(versions: Mapping[int, Version]) -> dict[int, bool]:
    """Return of each whether it takes all traffic where it is new."""
    return {number: one.config.versions.on_new == "swap" for number, one in versions.items()}


def old_first(versions: Mapping[int, Version]) -> frozenset[int]:
    """Return those that are loaded once who had the traffic has ended."""
    return frozenset(
        number for number, one in versions.items() if one.config.versions.replace == "old_first"
    )


def serves(versions: Mapping[int, Version]) -> int | None:
    """Return the version that another server has, the highest of several, where there are others.

    Where there are none, traffic does not wait for a server that is away.
    """
    there = [number for number, one in versions.items() if one.backend == "upstream"]
    return max(there) if there and len(there) < len(versions) else None
