"""What is kept of a version that is watched: its reference, and since when there are alarms."""

from collections.abc import Mapping
from typing import Any

from headrace.monitoring.change import Change
from headrace.monitoring.drift import Alarm, Watched


def to_json(watched: Watched) -> dict[str, Any]:
    """Return what `from_json` reads."""
    return {
        "rows": watched.rows,
        "reference": [
            [*key, sorted(counts.items())] for key, counts in sorted(watched.reference.items())
        ],
        "alarms": [
            [*key, one.since, one.last.chance, one.last.score]
            for key, one in ((key, watched.alarms[key]) for key in watched.drifted)
        ],
    }


def from_json(kept: Mapping[str, Any]) -> Watched:
    """Return a version as it was kept, with a window that is empty.

    Raises:
        KeyError, TypeError, ValueError: `to_json` did not write it.
    """
    return Watched(
        rows=int(kept["rows"]),
        reference={
            (str(tensor), str(feature)): {int(place): int(count) for place, count in counts}
            for tensor, feature, counts in kept["reference"]
        },
        alarms={
            (str(tensor), str(feature)): Alarm(Change(float(chance), float(score)), since=since)
            for tensor, feature, since, chance, score in kept["alarms"]
        },
    )
