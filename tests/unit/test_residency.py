"""Which versions are in memory where fewer may be than are wanted, and what comes of that."""

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.control.residency import Choice, Phase, Resident, choose

IDLE = Resident(Phase.READY, is_busy=False, idle_s=5, ready_s=9)
BUSY = replace(IDLE, is_busy=True, idle_s=0)
COMING = Resident(Phase.COMING, is_busy=True)
LEAVING = Resident(Phase.LEAVING)


def kept(*labels: str, awaited: bool = False) -> Choice:
    return Choice(frozenset(labels), is_awaited=awaited)


@pytest.mark.parametrize(
    ("why", "residents", "called", "eager", "expected"),
    [
        ("nobody is asked for, and nobody goes", {"a": IDLE, "b": BUSY}, [], [], kept("a", "b")),
        ("a free place", {"a": IDLE}, ["c"], [], kept("a", "c")),
        ("eager ones take free places", {}, [], ["a", "b", "c"], kept("a", "b")),
        ("and no others", {"a": IDLE, "b": IDLE}, [], ["c"], kept("a", "b")),
        ("who is asked for goes before them", {"a": IDLE}, ["c"], ["b"], kept("a", "c")),
        (
            "who was asked for the longest time ago goes, and has its place until it is gone",
            {"a": replace(IDLE, idle_s=6), "b": IDLE},
            ["c"],
            [],
            kept("b", awaited=True),
        ),
        (
            "then the other comes",
            {"a": LEAVING, "b": IDLE},
            ["c"],
            [],
            kept("b", awaited=True),
        ),
        ("now", {"b": IDLE}, ["c"], [], kept("b", "c")),
        ("idle before busy", {"a": BUSY, "b": IDLE}, ["c"], [], kept("a", awaited=True)),
        (
            "all are busy: whose turn began first",
            {"a": replace(BUSY, ready_s=8), "b": BUSY},
            ["c"],
            [],
            kept("a", awaited=True),
        ),
        (
            "whose turn is not over stays",
            {"a": replace(BUSY, ready_s=0.5), "b": replace(BUSY, ready_s=0.9)},
            ["c"],
            [],
            kept("a", "b", awaited=True),
        ),
        (
            "who came for callers that have not come to it yet is not idle",
            {"a": replace(IDLE, ready_s=0.1), "b": COMING},
            ["c"],
            [],
            kept("a", "b", awaited=True),
        ),
        (
            "who is coming stays",
            {"a": COMING, "b": COMING},
            ["c"],
            [],
            kept("a", "b", awaited=True),
        ),
        (
            "who leaves for somebody that nobody asks for any more comes back",
            {"a": LEAVING, "b": BUSY},
            ["a"],
            [],
            kept("a", "b"),
        ),
        (
            "but not before who was asked for first",
            {"a": LEAVING, "b": replace(BUSY, ready_s=0.5)},
            ["c", "a"],
            [],
            kept("b", awaited=True),
        ),
    ],
)
def test_who_is_in_memory(
    why: str,
    residents: dict[str, Resident],
    called: list[str],
    eager: list[str],
    expected: Choice,
) -> None:
    assert choose(2, residents, called, eager) == expected, why


class World:
    """Versions that take some seconds to load and to end, under callers who wait for them."""

    def __init__(self, most: int, seconds: int) -> None:
        self.most, self.seconds = most, seconds
        self.now = 0
        #: Version → its phase, when that began, and when it was used last.
        self.here: dict[str, tuple[Phase, int, int]] = {}
        self.waiting: dict[str, deque[int]] = {}
        self.called: list[str] = []
        self.answered: list[int] = []

    def ask(self, label: str) -> None:
        self.waiting.setdefault(label, deque()).append(self.now)
        if label not in self.called:
            self.called.append(label)

    def residents(self) -> dict[str, Resident]:
        return {
            label: Resident(
                phase,
                is_busy=bool(self.waiting.get(label)),
                idle_s=self.now - used,
                ready_s=self.now - since if phase is Phase.READY else 0,
                turn_s=max(1, self.seconds),
            )
            for label, (phase, since, used) in self.here.items()
        }

    def tick(self) -> None:
        """A second, in which each version that is ready answers one call."""
        self.now += 1
        for label, (phase, since, used) in list(self.here.items()):
            if phase is Phase.COMING and self.now - since >= self.seconds:
                self.here[label] = (Phase.READY, self.now, used)
            if phase is Phase.LEAVING and self.now - since >= self.seconds:
                del self.here[label]
            if phase is Phase.READY and self.waiting.get(label):
                self.answered.append(self.now - self.waiting[label].popleft())
                self.here[label] = (phase, since, self.now)
        self.called = [
            one
            for one in self.called
            if self.waiting.get(one) and self.here.get(one, (None,))[0] is not Phase.READY
        ]
        self.decide()

    def decide(self) -> None:
        choice = choose(self.most, self.residents(), self.called)
        for label, (phase, _, used) in list(self.here.items()):
            if label not in choice.kept and phase is Phase.READY:
                self.here[label] = (Phase.LEAVING, self.now, used)
            assert phase is not Phase.COMING or label in choice.kept, "what comes is not sent away"
            if label in choice.kept and phase is Phase.LEAVING:
                self.here[label] = (Phase.READY, self.now, used)
        for label in choice.kept - set(self.here):
            self.here[label] = (Phase.COMING, self.now, self.now)
        # Whoever still waits for one that is not here asks anew, as a gateway does.
        for label, calls in self.waiting.items():
            phase = self.here.get(label, (Phase.LEAVING,))[0]
            if calls and phase is not Phase.READY and label not in self.called:
                self.called.append(label)
        assert len(self.here) <= self.most, "never more than may be"


@settings(deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), max_size=40),
)
def test_everybody_is_answered_whatever_the_order_in_which_they_come(
    most: int, seconds: int, arrivals: list[list[str]]
) -> None:
    world = World(most, seconds)
    for labels in arrivals:
        for label in labels:
            world.ask(label)
        world.tick()
    asked = sum(map(len, arrivals))
    # All that wait need a second each; between two of a version everybody else may have a turn.
    for _ in range(asked * 6 * (3 * seconds + 2) + 1):
        if len(world.answered) == asked:
            break
        world.tick()
    assert len(world.answered) == asked


@settings(deadline=None)
@given(st.integers(1, 2), st.integers(1, 4), st.integers(3, 6))
def test_those_that_are_asked_for_all_the_time_take_turns_and_serve_half_of_it(
    most: int, seconds: int, many: int
) -> None:
    world = World(most, seconds)
    ready: dict[str, int] = dict.fromkeys("abcdef"[:many], 0)
    spent = 400
    for _ in range(spent):
        for label in ready:
            if len(world.waiting.get(label, ())) < 2:
                world.ask(label)
        world.tick()
        for label, (phase, _, _) in world.here.items():
            ready[label] += phase is Phase.READY
    # A turn as long as loading, and as long again for the end of the one before.
    assert sum(ready.values()) > most * spent / 4
    assert max(ready.values()) <= 2 * min(ready.values()) + 2 * seconds + 2
