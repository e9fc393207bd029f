"""What gateways have counted of versions' tensors, and what came since the last look."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace.monitoring.drift import Key, Profile

#: Counts of one version that are remembered, one for each gateway that has counted: more than a
#: cluster has gateways, for what is forgotten and comes again is counted again.
MOST_SEEN: Final = 128
#: As the core has them: the feature whose places are what it counts, and of others bits of FP32
#: that a place has not.
CLASS: Final = "class"
PLACE_BITS: Final = 18
NOT_A_NUMBER: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Profiled:
    """What one gateway has counted of one version: totals, which only grow in the same count."""

    model: str
    version: int
    #: The gateway's life, and which count it is of that.
    count: tuple[int, int]
    rows: int
    profile: Profile


def profiled(told: str) -> list[Profiled]:
    """Return what a gateway tells.

    Raises:
        ValueError: it is no such text.
    """
    try:
        given = json.loads(told)
        return [
            Profiled(
                str(one["model"]),
                int(one["version"]),
                (int(given["began"]), int(one["since"])),
                int(one["rows"]),
                {
                    (f"{tensor['role']} {tensor['name']}", str(feature["name"])): {
                        int(place): int(count) for place, count in feature["counts"]
                    }
                    for tensor in one["tensors"]
                    for feature in tensor["features"]
                },
            )
            for one in given["versions"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected what a gateway has counted: {error}") from error


class Seen:
    """What was seen of one version so far, by the count that it came from."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._held: dict[tuple[int, int], Profiled] = {}

    def take(self, one: Profiled) -> tuple[int, Profile]:
        """Return how many rows are new in what a gateway tells, and what they are like."""
        before = self._held.pop(one.count, None)
        self._held[one.count] = one
        while len(self._held) > MOST_SEEN:
            self._held.pop(next(iter(self._held)))
        if before is None:
            return one.rows, one.profile
        new: dict[Key, dict[int, int]] = {}
        for key, counts in one.profile.items():
            was = before.profile.get(key, {})
            less = {at: count - was.get(at, 0) for at, count in counts.items()}
            new[key] = {at: count for at, count in less.items() if count > 0}
        return one.rows - before.rows, new


def middle(feature: str, counts: Mapping[int, int]) -> float | None:
    """Return the middle one of a feature's numbers, to a place; None where there is none."""
    left = sum(counts.values()) / 2
    for place, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return float(place) if feature == CLASS else number(place)
    return None


def number(place: int) -> float | None:
    """Return the least number that the core counts in a place; None where it is no number."""
    if abs(place) >= NOT_A_NUMBER:
        return None
    size: float = struct.unpack("<f", struct.pack("<I", abs(place) << PLACE_BITS))[0]
    return -size if place < 0 else size
