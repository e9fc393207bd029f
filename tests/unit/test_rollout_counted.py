"""What gateways have counted, and what of it is new."""

import pytest
from tests.unit.counting import CountingGateway

from headrace.rollout.bets import Units
from headrace.rollout.counted import MOST_SEEN, Seen, counted, dense


def test_only_what_is_new_of_a_count_is_added() -> None:
    told = CountingGateway()
    told.follow({2: (5,)})
    told.count(2, 10, bad=1)
    seen, new = Seen().then(counted(told.told()), 1)
    assert (new.runs, sum(dense(new.latency))) == (Units(10, 1), 10)
    seen, new = seen.then(counted(told.told()), 1)
    assert (new.runs, new.latency) == (Units(0, 0), ())
    told.count(2, 5, slow=2.5)
    seen, new = seen.then(counted(told.told()), 1)
    assert (new.runs, new.slow) == (Units(5, 0), (Units(5, 2.5),))
    # A gateway that did not answer for a while has not begun anew.
    seen, new = seen.then([], 1)
    seen, new = seen.then(counted(told.told()), 1)
    assert new.runs == Units(0, 0)
    # One that has less than it had, which none does, is believed from there on.
    less = CountingGateway()
    less.follow({2: (5,)})
    less.count(2, 3)
    seen, new = seen.then(counted(less.told()), 1)
    assert new.runs == Units(0, 0)
    less.count(2, 4)
    seen, new = seen.then(counted(less.told()), 1)
    assert new.runs == Units(4, 0)


def test_of_gateways_that_answer_none_is_forgotten() -> None:
    seen, many = Seen(), []
    for began in range(3 * MOST_SEEN):
        told = CountingGateway(began=began)
        told.follow({2: ()})
        told.count(2, 10)
        many += counted(told.told())
    seen, new = seen.then(many, 0)
    assert new.runs == Units(30 * MOST_SEEN, 0)
    seen, new = seen.then(many, 0)
    assert new.runs == Units(0, 0)


def test_few_gateways_are_remembered() -> None:
    seen = Seen()
    for began in range(3 * MOST_SEEN):
        told = CountingGateway(began=began)
        told.follow({2: ()})
        seen, _ = seen.then(counted(told.told()), 0)
    assert [began for began, _, _ in seen.counts] == list(range(2 * MOST_SEEN, 3 * MOST_SEEN))


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"began": 1, "versions": [{}]}', '{"began": "x", "versions": []}', "[1]"],
)
def test_what_no_gateway_tells_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        counted(text)
