"""Which step is next on the way from what is there to what is wanted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from headrace.control.reconcile import Do, Held, Seen, step

QUIET, ENDS = Held(0, quiet_since=5), Held(0, quiet_since=5, ends=True)


@pytest.mark.parametrize(
    ("asked", "held", "acknowledged", "busy", "gone", "do"),
    [
        (None, None, 9, False, False, None),
        (0, None, 9, False, False, Do.CARRY),
        (0, Held(0), 9, True, False, None),
        (None, Held(0), 9, False, False, Do.QUIET),
        # Asked for anew: what it had goes first.
        (1, Held(0), 9, False, False, Do.QUIET),
        # Not every gateway has the table.
        (None, QUIET, 4, False, False, None),
        (None, QUIET, 5, True, False, None),
        (None, QUIET, 5, False, False, Do.LET_GO),
        (0, QUIET, 5, True, False, Do.RECALL),
        (1, QUIET, 5, False, False, Do.LET_GO),
        # Once it ends it ends, whatever is wanted meanwhile.
        (None, ENDS, 9, False, False, None),
        (0, ENDS, 9, False, False, None),
        (0, ENDS, 9, False, True, Do.FORGET),
        (None, ENDS, 9, False, True, Do.FORGET),
    ],
)
def test_the_next_step(
    asked: int | None, held: Held | None, acknowledged: int, busy: bool, gone: bool, do: Do | None
) -> None:
    assert step(asked, held, Seen(acknowledged, busy, gone)) is do


class Version:
    """One version in a world where gateways come along late and calls take their time."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.published = 0
        self.acknowledged = 0
        #: Calls go to it by the table that the slowest gateway has.
        self.routed = False
        self.calls = 0
        self.gone = False
        self.lost = 0

    def take(self, asked: int | None) -> Do | None:
        """Take a step, as an engine does."""
        do = step(asked, self.held, Seen(self.acknowledged, self.calls > 0, self.gone))
        match do:
            case Do.CARRY:
                self.held, self.gone = Held(asked or 0), False
                self.published += 1
            case Do.QUIET if self.held:
                self.published += 1
                self.held = Held(self.held.asked, self.published)
            case Do.RECALL if self.held:
                self.published += 1
                self.held = Held(self.held.asked)
            case Do.LET_GO if self.held:
                self.lost += self.calls
                self.held = Held(self.held.asked, self.held.quiet_since, ends=True)
            case Do.FORGET:
                self.held = None
                self.published += 1
        return do

    def happen(self, what: str) -> None:
        """Have something happen around it."""
        match what:
            case "table":
                self.acknowledge()
            case "call" if self.routed:
                assert self.held, "calls are routed to what is not there"
                assert not self.held.ends
                self.calls += 1
            case "answer":
                self.calls = max(0, self.calls - 1)
            case "end":
                self.gone = self.held is not None and self.held.ends

    def acknowledge(self) -> None:
        """Have the slowest gateway take the last table."""
        self.acknowledged = self.published
        self.routed = self.held is not None and self.held.quiet_since is None


MOVES = ["want", "drop", "anew", "step", "table", "call", "answer", "end"]


@settings(deadline=None)
@given(some.lists(some.sampled_from(MOVES)))
def test_whoever_is_routed_is_answered_before_his_version_ends(moves: list[str]) -> None:
    one, asked = Version(), 0
    wanted: int | None = None
    for move in moves:
        match move:
            case "want" | "drop":
                wanted = asked if move == "want" else None
            case "anew" if wanted is not None:
                asked += 1
                wanted = asked
            case "step":
                one.take(wanted)
            case _:
                one.happen(move)
    assert one.lost == 0
    # And with time enough it comes to what is wanted.
    for _ in range(8):
        one.calls, one.gone = 0, bool(one.held and one.held.ends)
        one.take(wanted)
        one.acknowledge()
    assert (one.held is None) == (wanted is None)
    assert one.held is None or one.held == Held(wanted or 0)
