from itertools import product

import pytest

from headrace.models.lifecycle import BEGIN, INDEX_STATES, NEXT, Standing, State


def test_the_tables_name_every_state() -> None:
    assert set(NEXT) == set(INDEX_STATES) == set(State)
    assert set(INDEX_STATES.values()) <= {"READY", "LOADING", "UNLOADING", "UNAVAILABLE"}


def test_only_gone_is_the_end_and_every_state_leads_there() -> None:
    assert [state for state, after in NEXT.items() if not after] == [State.GONE]
    for state in State:
        seen, frontier = {state}, [state]
        while frontier:
            fresh = NEXT[frontier.pop()] - seen
            seen |= fresh
            frontier += fresh
        assert State.GONE in seen


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_a_move_is_legal_exactly_when_the_table_has_it(before: State, after: State) -> None:
    standing = Standing(before, "so it is")
    if after in NEXT[before]:
        assert standing.move(after, "now") == Standing(after, "now")
    else:
        with pytest.raises(ValueError, match=f"{before.value} cannot become {after.value}"):
            standing.move(after, "now")


def test_a_version_serves_only_after_it_was_warmed() -> None:
    into_ready = [state for state, after in NEXT.items() if State.READY in after]
    assert into_ready == [State.WARMING]
    assert BEGIN.reason
