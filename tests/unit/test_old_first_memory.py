"""A swap with room for one on a GPU: what the old version gives back, and others where it must."""

from collections.abc import Callable

from tests.unit.test_evicting import WHO, Node, gpu, node

from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State

__all__ = ["gpu", "node"]


def swap(one: Node, label: str, *, old_first: bool = True) -> Standing:
    """Have one take all traffic, and wait for what becomes of it, while hours pass."""
    one.between_looks_s = 3600.0
    model, _, number = label.partition("/")
    one.controller.load(model, int(number), swap=True, old_first=old_first, **WHO)
    standing = one.controller.wait(model, int(number))
    one.between_looks_s = 0.0
    return standing


def with_one(one: Node, mebibytes: int, **placement: object) -> Node:
    one.has("cats/1", mebibytes, **placement)
    one.begin()
    one.until("cats/1", State.READY)
    # What follows from that has a table of its own: it has all traffic.
    one.comes(lambda: one.controller.wanted()["cats"].shares == {1: WHOLE})
    return one


def test_it_has_what_the_old_one_gave_back(node: Callable[..., Node]) -> None:
    one = with_one(node(), 10_000)
    one.has("cats/2", 10_000)
    assert swap(one, "cats/2", old_first=False).state is State.FAILED
    assert swap(one, "cats/2").state is State.READY
    assert one.held() == {"cats/2": 10_000}


def test_others_make_room_for_what_is_missing_still(node: Callable[..., Node]) -> None:
    one = node()
    one.has("dogs/1", 2000, evictable=True)
    one.has("dogs/2", 2000)
    one = with_one(one, 10_000)
    one.has("cats/2", 13_000)
    assert swap(one, "cats/2").state is State.READY
    assert one.held() == {"cats/2": 13_000, "dogs/2": 2000}


def test_where_that_is_not_enough_the_old_one_comes_back(node: Callable[..., Node]) -> None:
    one = with_one(node(), 10_000)
    one.has("cats/2", 17_000)
    standing = swap(one, "cats/2")
    assert standing.state is State.FAILED
    assert "more are needed" in standing.reason
    assert one.controller.wait("cats", 1).state is State.READY
    assert one.held() == {"cats/1": 10_000}
    whats = [what for _, what, _ in one.journal()]
    assert any(what.startswith("load 1 again: version 2 failed: ") for what in whats)


def test_it_may_be_one_that_is_loaded_on_demand(node: Callable[..., Node]) -> None:
    one = with_one(node(max_loaded=1), 10_000, isolation="shared")
    one.has("cats/2", 10_000, isolation="shared")
    assert swap(one, "cats/2").state is State.READY
    assert one.held() == {"cats/2": 10_000}
