"""What gateways have counted of versions that are judged, and what came since the last look."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any, Final

from headrace.rollout.bets import NONE, Units
from headrace.rollout.latency import EDGES_NS
from headrace.rollout.together import ALONE, Together

#: Counts of one version that are remembered, one for each gateway that has counted.
MOST_SEEN: Final = 16

#: Began when no gateway did: what labels said is in the database, which outlives all of them.
DATABASE: Final = 0
#: Pairs of a place among EDGES_NS and how many answers took so long; none is empty.
Histogram = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one version: units of each kind, and how long answers took.

    Attributes:
        runs: executions, and those that failed.
        unserved: seconds, and the parts of their requests that the version was too slow to take.
        refused: executions, and the parts of their calls that the model refused as wrong.
        slow: of each line, executions, and the parts of their calls that were beyond it.
        agreement: pairs of answers, and the parts of their rows that differ.
        latency: of all answers.
        labelled: by metric, predictions whose labels tell of it, and how bad they were; what
            gateways do not count.
        together: the most units of ``slow`` that waited at the same time, which only grows.
    """

    runs: Units
    unserved: Units
    refused: Units
    slow: tuple[Units, ...]
    agreement: Units
    latency: Histogram
    labelled: Mapping[str, Units] = field(default_factory=dict)
    together: Together = ALONE

    @staticmethod
    def nothing(lines: int) -> "Totals":
        """Return those of a version that has done nothing yet."""
        return Totals.of_labels({}, lines)

    @staticmethod
    def of_labels(labelled: Mapping[str, Units], lines: int) -> "Totals":
        """Return what is known of a version by labels alone."""
        return Totals(NONE, NONE, NONE, (NONE,) * lines, NONE, (), labelled)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.runs + other.runs,
            self.unserved + other.unserved,
            self.refused + other.refused,
            tuple(one + more for one, more in zip(self.slow, other.slow, strict=True)),
            self.agreement + other.agreement,
            added(self.latency, other.latency),
            {
                name: self.labelled.get(name, NONE) + other.labelled.get(name, NONE)
                for name in {**self.labelled, **other.labelled}
            },
            self.together.most(other.together),
        )

    def since(self, before: "Totals") -> "Totals":
        """Return what came after ``before``.

        Raises:
            ValueError: it has counted more than this, so that it is no earlier one.
        """
        return Totals(
            _less(self.runs, before.runs),
            _less(self.unserved, before.unserved),
            _less(self.refused, before.refused),
            tuple(_less(one, less) for one, less in zip(self.slow, before.slow, strict=True)),
            _less(self.agreement, before.agreement),
            added(self.latency, tuple((place, -count) for place, count in before.latency)),
            {
                name: _less(units, before.labelled.get(name, NONE))
                for name, units in self.labelled.items()
            },
            self.together,
        )

    @property
    def has_units(self) -> bool:
        """Whether there is anything that was answered, refused, not served, or compared."""
        kinds = self.runs, self.unserved, self.refused, *self.slow, self.agreement
        return any(one.count for one in kinds)

    def as_json(self) -> dict[str, Any]:
        """Return it as a gateway tells it."""
        return {
            "runs": _told(self.runs),
            "unserved": _told(self.unserved),
            "refused": _told(self.refused),
            "slow": [_told(one) for one in self.slow],
            "agreement": _told(self.agreement),
            "latency": [list(one) for one in self.latency],
            "labelled": {name: _told(units) for name, units in self.labelled.items()},
            "together": asdict(self.together),
        }

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> "Totals":
        """Return what `as_json` made this of.

        Raises:
            ValueError, KeyError, TypeError: it is none of that.
        """
        return Totals(
            Units(**told["runs"]),
            Units(**told["unserved"]),
            Units(**told["refused"]),
            tuple(Units(**one) for one in told["slow"]),
            Units(**told["agreement"]),
            tuple((int(place), int(count)) for place, count in told["latency"]),
            {name: Units(**units) for name, units in told.get("labelled", {}).items()},
            Together(**told.get("together", {})),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What one gateway has counted of one version.

    Attributes:
        began: tells this life of a gateway from others.
        since: tells this count from others in that life; totals of one count only grow.
        slow_ns: the lines that answers are slow beyond.
        rollout: for which it counts.
        users_at_step: of which step, where users are the units; each is in it once.
    """

    model: str
    version: int
    began: int
    since: int
    slow_ns: tuple[int, ...]
    rollout: int
    totals: Totals
    users_at_step: int | None = None


def counted(told: str) -> list[Counted]:
    """Return what a gateway tells.

    Raises:
        ValueError: it is no such text.
    """
    try:
        given = json.loads(told)
        began = int(given["began"])
        return [
            Counted(
                str(one["model"]),
                int(one["version"]),
                began,
                int(one["since"]),
                tuple(int(line) for line in one["slow_ns"]),
                int(one["rollout"]),
                Totals.from_json(one),
                one.get("users_at_step"),
            )
            for one in given["versions"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected what a gateway has counted: {error}") from error


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one version so far, by the gateway and the count that it came from.

    Attributes:
        counts: the newest last, no more than MOST_SEEN beside those that still answer.
    """

    counts: tuple[tuple[int, int, Totals], ...] = ()

    @property
    def gateways(self) -> int:
        """How many have counted."""
        return len({began for began, _, _ in self.counts} - {DATABASE})

    @property
    def together(self) -> Together:
        """The most that waited at the same time in any of these counts."""
        return reduce(Together.most, (totals.together for *_, totals in self.counts), ALONE)

    @property
    def heard_by(self) -> int:
        """How many have units of users: each may have had the same users."""
        return len({began for began, _, totals in self.counts if totals.has_units})

    def then(self, now: Iterable[Counted], lines: int) -> tuple["Seen", Totals]:
        """Return what was seen with ``now``, all of one version, and what is new in that.

        What a gateway had counted when it ended, and nobody had seen, is in neither; nor is what
        one has counted that has less than it had, which none does.
        """
        held = {(began, since): totals for began, since, totals in self.counts}
        new, told = Totals.nothing(lines), 0
        for one in now:
            before, told = held.pop((one.began, one.since), None), told + 1
            held[one.began, one.since] = one.totals
            with suppress(ValueError):
                new += one.totals if before is None else one.totals.since(before)
        kept = [(began, since, totals) for (began, since), totals in held.items()]
        # Of those that did not answer some are forgotten, never one that did.
        return Seen(tuple(kept[-max(MOST_SEEN, told) :])), new


def added(one: Iterable[tuple[int, int]], other: Iterable[tuple[int, int]]) -> Histogram:
    """Return the sum of two histograms, as pairs of a place and a count, without empty places."""
    both = dict(one)
    for place, count in other:
        both[place] = both.get(place, 0) + count
    return tuple(sorted((place, count) for place, count in both.items() if count))


def dense(latency: Iterable[tuple[int, int]]) -> list[int]:
    """Return a histogram with its empty places: one count more than there are edges.

    Raises:
        ValueError: it has a place beyond the last.
    """
    counts = [0] * (len(EDGES_NS) + 1)
    for place, count in latency:
        if not 0 <= place < len(counts):
            raise ValueError(f"expected a place from 0 to {len(EDGES_NS)}, not {place}")
        counts[place] = count
    return counts


def _less(now: Units, before: Units) -> Units:
    # Sums of fractions lose a little: what is bad stays within what there is.
    count = now.count - before.count
    return Units(count, min(max(now.bad - before.bad, 0.0), count))


def _told(units: Units) -> dict[str, float]:
    return {"count": units.count, "bad": units.bad}
