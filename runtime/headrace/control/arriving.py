"""Versions that nobody has seen yet, and what is wanted with them. Pure."""

from collections.abc import Callable, Mapping, Sequence

from headrace.control import wanted as words
from headrace.control.engine import Coming
from headrace.control.wanted import Wanted
from headrace.repository.folder import Version

#: Whether a version is to get no traffic by itself.
Bars = Callable[[Version], bool]


def bars_none(version: Version) -> bool:
    """Keep nobody from traffic."""
    return False


def coming(
    wanted: Mapping[str, Wanted], found: Sequence[Version], bars: Bars = bars_none
) -> list[Coming]:
    """Return which of the versions that were found are new, and whether they take all traffic."""
    by_model: dict[str, dict[int, Version]] = {}
    for one in found:
        by_model.setdefault(one.model, {})[one.number] = one
    new = []
    for model, versions in by_model.items():
        before = wanted.get(model)
        after = with_new(before, versions, bars)
        pending = after.pending.shares if after.pending is not None else {}
        new += [
            Coming(versions[one], one in pending, bars(versions[one]))
            for one in added(before, after)
        ]
    return new


def begun(
    before: Wanted | None, folder: str, found: Mapping[int, Version], bars: Bars = bars_none
) -> Wanted:
    """Return what a run begins with that has found these versions in a model's folder."""
    return words.begun(before, folder, swaps(found, bars), serves(found, bars), old_first(found))


def with_new(before: Wanted | None, found: Mapping[int, Version], bars: Bars = bars_none) -> Wanted:
    """Return what is wanted with those of ``found``, which has some, that nobody has seen yet."""
    if before is None:
        return begun(None, str(next(iter(found.values())).home), found, bars)
    known = dict.fromkeys({*before.versions, *before.unloaded}, False)
    return words.begun(
        before, before.folder, known | swaps(found, bars), old_first=old_first(found)
    )


def added(before: Wanted | None, after: Wanted) -> list[int]:
    """Return the versions that are wanted and were not before."""
    return sorted(set(after.versions) - set(before.versions if before else ()))


def new(before: Wanted | None, found: Mapping[int, Version]) -> list[int]:
    """Return which of these versions nobody has seen yet."""
    return added(before, with_new(before, found)) if found else []


def swaps(versions: Mapping[int, Version], bars: Bars = bars_none) -> dict[int, bool]:
    """Return of each whether it takes all traffic where it is new."""
    return {number: swaps_by_itself(one, bars) for number, one in versions.items()}


def swaps_by_itself(version: Version, bars: Bars) -> bool:
    """Whether a version takes all traffic where nobody says whether it should."""
    return version.config.versions.on_new == "swap" and not bars(version)


def old_first(versions: Mapping[int, Version]) -> frozenset[int]:
    """Return those that are loaded once who had the traffic has ended."""
    return frozenset(
        number for number, one in versions.items() if one.config.versions.replace == "old_first"
    )


def serves(versions: Mapping[int, Version], bars: Bars = bars_none) -> int | None:
    """Return the version that another server has, the highest of several, where there are others.

    Where there are none, traffic does not wait for a server that is away.
    """
    there = [one for one in versions.values() if one.backend == "upstream"]
    free = [one.number for one in there if not bars(one)]
    return max(free) if free and len(there) < len(versions) else None
