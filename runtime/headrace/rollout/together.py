"""Units that waited at the same time: what one moment did to one of them it did to all."""

from dataclasses import dataclass
from typing import Final

from headrace.rollout.bets import Units

#: What a process does in a second is a unit at least, however long others have waited.
LONGEST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Together:
    """The most executions of a version, or users, that were there at one moment.

    Attributes:
        count: how many, 1 where each was alone.
        span_ns: how long after the first of them the last had come.
    """

    count: int = 1
    span_ns: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.span_ns < 0:
            raise ValueError(
                f"expected at least 1 together, within 0 ns or more, not {self.count} within "
                f"{self.span_ns}"
            )

    def most(self, other: "Together") -> "Together":
        """Return the larger one."""
        return max(self, other, key=lambda one: (one.count, -one.span_ns))


ALONE: Final = Together()


def apart(
    found: tuple[Units, Units], together: tuple[Together, Together], passed_s: float
) -> tuple[Units, Units]:
    """Return units of candidate and control in a stretch, as many as do not hang together.

    A process that stands still for half a second makes all wait who come meanwhile: they are slow
    by one thing that happened. So as many as ever waited together weigh one, and no more have
    weight than such spans fit into the stretch. (Bets are products of what units pay, and a part of
    a unit pays a root: the geometric mean of as many bets, which is below their mean.)

    The span is the longer one of both versions': where the candidate's process has stood still, the
    control's may, and until it does, many that were quick all along would prove too much. The
    number is each version's own: of two of which one has more traffic, that has more in a moment.

    Args:
        found: what ended in the stretch, of each version.
        together: the most of each so far. (How units fared does not decide who is divided, but
            those that are slow are there longer. It only grows, so that few of them decide it.)
        passed_s: how long the stretch was, above 0.
    """
    span_s = min(max(one.span_ns for one in together) / 1e9, LONGEST_S)
    parts = (
        _apart(units.count, most.count, span_s, passed_s) / units.count if units.count else 0.0
        for units, most in zip(found, together, strict=True)
    )
    one, other = (
        Units(units.count * part, units.bad * part)
        for units, part in zip(found, parts, strict=True)
    )
    return one, other


def _apart(count: float, most: int, span_s: float, passed_s: float) -> float:
    fit = min(count / most, passed_s / span_s if span_s else count)
    return min(count, max(fit, passed_s / LONGEST_S))
