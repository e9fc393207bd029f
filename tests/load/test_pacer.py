"""Who is due is sent, whoever still waits; each is told of once."""

from collections import Counter

import gevent
from gevent.event import Event

from headrace_load.pacer import Dropped, Sent, pace


def test_nobody_waits_for_anybody() -> None:
    told: list[Sent] = []
    all_there = Event()
    under_way: set[int] = set()

    def send(number: int) -> int:
        under_way.add(number)
        if len(under_way) == 8:
            all_there.set()  # which happens only if all are sent before any is answered
        assert all_there.wait(60)
        return number

    pace([0.0] * 8, send, told.append, most=8, grace_s=60)
    assert sorted(sent.number for sent in told) == list(range(8))
    assert all(sent.answer == sent.number and sent.error is None for sent in told)


def test_latency_counts_from_the_moment_of_being_due() -> None:
    told: list[Sent] = []
    pace([0.0, 0.05], lambda _: gevent.sleep(0.02), told.append, most=2, grace_s=60)
    assert all(sent.latency >= 0.02 and sent.latency >= sent.late >= 0 for sent in told)


def test_who_finds_no_room_is_dropped_and_told_of() -> None:
    told: list[Sent] = []
    full = Event()

    def tell(sent: Sent) -> None:
        told.append(sent)
        full.set()  # the first to be told of is one that was dropped

    pace([0.0] * 5, lambda _: full.wait(60), tell, most=3, grace_s=60)
    kinds = Counter(type(sent.error) for sent in told)
    assert kinds == {Dropped: 2, type(None): 3}


def test_an_error_is_one_requests_own() -> None:
    told: list[Sent] = []

    def send(number: int) -> None:
        if number == 1:
            raise ConnectionError("gone")

    pace([0.0] * 3, send, told.append, most=3, grace_s=60)
    errors = {sent.number: str(sent.error) for sent in told if sent.error}
    assert len(told) == 3
    assert errors == {1: "gone"}
