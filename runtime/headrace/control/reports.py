"""What registries hear of rollouts, each version's own. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Final

from headrace.config.rollouts import Judge
from headrace.config.schema import ModelConfig
from headrace.config.source import Address
from headrace.registry.facts import Place
from headrace.registry.place import place
from headrace.registry.report import (
    HERE,
    MOST_CHARACTERS,
    AliasMove,
    Kind,
    Part,
    Report,
    Verdict,
)
from headrace.registry.tagged import RELEASED, ROLLED_BACK
from headrace.rollout.bets import Units
from headrace.rollout.counted import Histogram, dense
from headrace.rollout.course import LASTING, Course, End
from headrace.rollout.criteria import mean
from headrace.rollout.latency import quantiles
from headrace.rollout.policy import MoveKind

#: How both versions are, as tags say it, by how the rollout ended; None: it goes on.
STATES: Final[Mapping[End | None, tuple[str, str]]] = {
    None: ("candidate", "baseline"),
    End.PROMOTED: ("serving", "held"),
    End.ROLLED_BACK: (ROLLED_BACK, "serving"),
    End.INCONCLUSIVE: ("inconclusive", "baseline"),
    End.STOPPED: ("stopped", "baseline"),
}
#: The tag of a version's share.
SHARE: Final = "traffic_percent"


@dataclass(frozen=True)
class Registered:
    """Where a version is registered, and under which name."""

    place: Place
    model: str
    #: The alias that moves to what is promoted, if it names what served before. If somebody else
    #: moves it meanwhile, that stops the rollout.
    champion: str | None = None
    #: What is told of it.
    parts: tuple[Part, ...] = tuple(Part)


def reports(
    before: Course | None, course: Course, known: Callable[[int], Registered | None], now: float
) -> Iterator[Report]:
    """Yield what is to be told of a rollout that has come from ``before`` to what it is now.

    Args:
        before: None where it has just begun.
        known: returns where a version is registered; None where nobody is to be told.
        now: seconds since 1970.
    """
    if before is not None and (before.percent, before.end) == (course.percent, course.end):
        return
    states = STATES[course.end]
    for version, state, percent in zip(course.versions, states, course.percents, strict=True):
        if (where := known(version)) is not None:
            share = {} if percent is None else {SHARE: f"{percent:g}"}
            by = {ROLLED_BACK: name(course)} if state == ROLLED_BACK else {}
            # The state first: who reads meanwhile must not take the one before for a later word.
            tags = {"state": state, "rollout": name(course), **share, **by}
            aliases = _back(course, version, where)
            # It is told at once, while metrics gather: a move is seen from the beginning on.
            watched = None if course.end else where.champion
            # An alias that went there may not stay for want of room for the word that it goes back.
            kind = Kind.VERDICT if aliases else Kind.STATE
            report = _report(course, version, where, kind, now)
            report = replace(report, tags=tags, aliases=aliases, watched=watched)
            # Traffic is a person's now, who may move it further unheard.
            yield report if share else replace(report, untagged=(SHARE,))
    where = known(course.record.candidate)
    if course.end is not None and where is not None:
        yield metrics(course, where, now)
        yield _verdict(course, course.end, where, now)


def release(where: Registered, version: int, now: float) -> Report:
    """Return what is to be told of a version that may have traffic again."""
    tags = {"state": RELEASED}
    return Report(where.place, where.model, version, Kind.STATE, round(1000 * now), tags=tags)


def metrics(course: Course, where: Registered, now: float) -> Report:
    """Return a point of each metric of both versions, for the candidate, which is registered."""
    report = _report(course, course.record.candidate, where, Kind.METRICS, now)
    points, step = numbers(course), round(course.watched_s)
    return replace(report, metrics=points, step=step, watched=where.champion)


def numbers(course: Course) -> dict[str, float]:
    """Return what is known of both versions, by the names of the metrics in registries."""
    found: dict[str, float] = {}
    for known in course.record.evidence:
        arms = [("candidate", known.candidate)]
        arms += [("baseline", known.control)] if known.criterion.paired else []
        for arm, units in arms:
            found |= _units(arm, known.criterion.name, units, course.plan.judge)
    for arm, latency in zip(("candidate", "baseline"), course.latency, strict=True):
        found |= _latencies(arm, latency)
    if course.percents[0] is not None:
        found[SHARE] = course.percents[0]
    return found


def evidence(course: Course) -> dict[str, float]:
    """Return what each metric says for and against the candidate, as logarithms of odds."""
    return {
        f"{known.criterion.name}/{what}": value
        for known in course.record.evidence
        for what, value in (("log_worse", known.log_harm), ("log_as_good", known.log_fine))
    }


def awaits_approval(course: Course) -> bool:
    """Whether a rollout has said, since it last moved, that a person has to agree."""
    lasting = takewhile(lambda said: said.what in LASTING, reversed(course.said))
    return any(said.what == MoveKind.WAIT_FOR_APPROVAL.value for said in lasting)


def name(course: Course) -> str:
    """Return what a registry knows a rollout by: numbers begin anew in each state folder."""
    return f"{course.number}-{course.began_unix_ms // 1000}"


def _verdict(course: Course, end: End, where: Registered, now: float) -> Report:
    candidate, baseline = course.versions
    said = f"version {candidate} against {baseline}, {end.value}: {course.said[-1].why}"
    moves: tuple[AliasMove, ...] = ()
    if end is End.PROMOTED and where.champion is not None:
        moves = (AliasMove(where.champion, seen=baseline),)
    return replace(
        _report(course, candidate, where, Kind.VERDICT, now),
        verdict=Verdict(end.name.lower(), said[:MOST_CHARACTERS], evidence(course)),
        aliases=moves,
    )


def _back(course: Course, version: int, where: Registered) -> tuple[AliasMove, ...]:
    """Return the alias that goes back to a baseline whose candidate was promoted before."""
    was_promoted = any(one.what == End.PROMOTED.value for one in course.said)
    is_back = course.end is End.ROLLED_BACK and was_promoted
    if not is_back or version != course.record.baseline or where.champion is None:
        return ()
    return (AliasMove(where.champion, seen=course.record.candidate),)


def _units(arm: str, name: str, units: Units, judge: Judge) -> dict[str, float]:
    if not units.count:
        return {}
    what, bad = f"{arm}/{name}", units.bad / units.count
    found = {f"{what}_units": units.count, f"{what}_bad_share": bad}
    if (asked := judge.values.get(name)) is not None:
        found[f"{what}_mean"] = mean(asked, bad)
    return found


def _latencies(arm: str, latency: Histogram) -> dict[str, float]:
    if not latency:
        return {}
    counts = dense(latency)
    times = {f"{arm}/{part}_ms": ms for part, ms in quantiles(counts).items()}
    return {**times, f"{arm}/answers": float(sum(counts))}


def _report(course: Course, version: int, where: Registered, kind: Kind, now: float) -> Report:
    unix_ms = round(1000 * now)
    return Report(
        where.place,
        where.model,
        version,
        kind,
        unix_ms,
        rollout=name(course),
        parts=where.parts,
    )


def registered(
    model: str, config: ModelConfig, environ: Mapping[str, str], state: Path
) -> Registered | None:
    """Return where a version is registered, by its model.yaml; None where nobody is to be told.

    Of a version that no registry knows reports stay in the state folder.
    """
    address = None if config.source is None else config.source.parsed
    if not isinstance(address, Address):
        return Registered(HERE, model)
    # To look at an alias is no matter of what is told.
    told = config.mlflow.report.model_dump()
    parts = tuple(one for one in Part if one is Part.WATCH or told[one.value])
    if parts == (Part.WATCH,):
        return None
    # Also while its file is gone: a version came from there, and reports wait until it is back.
    where = place(config.mlflow.registry, environ, state)
    return Registered(where, address.model, config.mlflow.champion, parts)
