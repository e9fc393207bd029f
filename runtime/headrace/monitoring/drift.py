"""One version's tensors, watched: a reference, windows that are compared with it, and alarms."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.monitoring.change import UNCHANGED, Change, Counts, change

#: Windows in a row that have to differ before there is an alarm, and to be quiet before it ends.
RAISED_AFTER: Final = 2
CLEARED_AFTER: Final = 3
#: Of one window, however long it took to fill: a test that is asked for less is none.
MOST_CHANCE: Final = 0.01
#: A place below all others, of rows that do not have a feature.
ABSENT: Final = -(1 << 20)
DAY_S: Final = 86_400.0

#: A tensor and its feature, such as ``("input image", "mean")``.
Key = tuple[str, str]
Profile = Mapping[Key, Counts]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a version's tensors.

    Attributes:
        reference_rows: the first rows, which others are compared with.
        window_rows: rows that are compared at once.
        false_alarms_per_day: how many there may be on average where nothing changes.
        least_score: what is less of a change is none, however sure it is.
    """

    reference_rows: int
    window_rows: int
    false_alarms_per_day: float
    least_score: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """How one feature stands.

    Attributes:
        last: what was between the last window and the reference.
        different, quiet: windows in a row.
        since: seconds since 1970 at which the alarm was raised; None while there is none.
    """

    last: Change = UNCHANGED
    different: int = 0
    quiet: int = 0
    since: float | None = None

    def then(self, found: Change, *, differs: bool, now: float) -> "Alarm":
        """Return how it stands after one window more."""
        different = self.different + 1 if differs else 0
        quiet = 0 if differs else self.quiet + 1
        since = self.since
        if since is None and different >= RAISED_AFTER:
            since = now
        elif since is not None and quiet >= CLEARED_AFTER:
            since = None
        return Alarm(found, different, quiet, since)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a version's tensors, in a state that does not grow with its traffic."""

    rows: int = 0
    reference: Profile = field(default_factory=dict)
    window_rows: int = 0
    window_s: float = 0.0
    window: Profile = field(default_factory=dict)
    #: The last that was whole, and its rows.
    shown: Profile = field(default_factory=dict)
    shown_rows: int = 0
    alarms: Mapping[Key, Alarm] = field(default_factory=dict)

    @property
    def drifted(self) -> list[Key]:
        """Which features have an alarm."""
        return sorted(key for key, one in self.alarms.items() if one.since is not None)

    def then(
        self, policy: Policy, rows: int, came: Profile, passed_s: float, now: float
    ) -> "Watched":
        """Return what is known with so many rows more, which came within so many seconds."""
        if self.rows < policy.reference_rows:
            return replace(self, rows=self.rows + rows, reference=added(self.reference, came))
        window = added(self.window, came)
        filled, took_s = self.window_rows + rows, self.window_s + passed_s
        if filled < policy.window_rows:
            return replace(self, window=window, window_rows=filled, window_s=took_s)
        chance = min(MOST_CHANCE, policy.false_alarms_per_day * took_s / DAY_S)
        after = replace(
            self, window={}, window_rows=0, window_s=0.0, shown=window, shown_rows=filled
        )
        keys = {*self.reference, *window}
        chance /= max(1, len(keys))
        alarms = {}
        for key in keys:
            found = change(*after.compared(key))
            was = self.alarms.get(key, Alarm())
            differs = found.chance <= chance and found.score >= policy.least_score
            alarms[key] = was.then(found, differs=differs, now=now)
        return replace(after, alarms=alarms)

    def compared(self, key: Key) -> tuple[Counts, Counts]:
        """Return how often a feature had which value in the reference, and in the last window.

        Rows that do not have it have a value of their own: a file that is no picture any more has
        no brightness.
        """
        return (
            _of_all(self.reference.get(key, {}), self.rows),
            _of_all(self.shown.get(key, {}), self.shown_rows),
        )


def _of_all(counts: Counts, rows: int) -> Counts:
    without = rows - sum(counts.values())
    return {**counts, ABSENT: without} if without > 0 else counts


def added(one: Profile, other: Profile) -> dict[Key, dict[int, int]]:
    """Return the sum of two profiles."""
    found = {}
    for key in {*one, *other}:
        counts = Counter(one.get(key, {}))
        counts.update(other.get(key, {}))
        found[key] = dict(counts)
    return found
