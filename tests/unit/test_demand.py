"""Versions that are loaded on demand: who is asked for, by whom, and until when."""

from pathlib import Path

from headrace.config.schema import ModelConfig
from headrace.control.demand import Demand, Usage, usage
from headrace.control.engine import Assignment
from headrace.control.reconcile import Held
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version

READY = Standing(State.READY, "")
FAILED = Standing(State.FAILED, "the weights are gone")


def assignment(
    label: str, asked: int = 0, isolation: str = "shared", backend: str = "python"
) -> Assignment:
    model, _, number = label.partition("/")
    config = ModelConfig.model_validate({"placement": {"isolation": isolation}})
    return Assignment(Version(model, int(number), Path("/m"), backend, config), asked)


class Place:
    """One place, and what a test says of who is in it."""

    def __init__(self, *wanted: Assignment, most: int = 1) -> None:
        self.now = 0.0
        self.demand = Demand(most, lambda: self.now)
        self.wanted = list(wanted)
        self.held: dict[str, Held] = {}
        self.stand: dict[str, Standing] = {}

    def look(self, **used: Usage) -> list[str]:
        """Who is to be carried; what is counted goes by model, of version 1."""
        counted = {f"{model}/1": one for model, one in used.items()}
        carried = self.demand.carried(self.wanted, self.held, self.stand, counted)
        return [one.version.label for one in carried]

    def has(self, label: str, standing: Standing = READY, asked: int = 0) -> None:
        self.held, self.stand = {label: Held(asked)}, {label: standing}


A, B = assignment("a/1"), assignment("b/1")
IDLE, BUSY = Usage(0, 1.0), Usage(1, 0.0)


def test_a_run_begins_with_as_many_as_may_be_and_every_model_has_one_first() -> None:
    own = assignment("z/1", isolation="own")
    place = Place(assignment("a/1"), assignment("a/2"), B, own, most=2)
    assert place.look() == ["a/2", "b/1", "z/1"]
    assert place.demand.labels(place.wanted) == {"a/1", "a/2", "b/1"}
    assert place.demand.standby(place.wanted)["a/1"].state is State.STANDBY


def test_without_a_limit_all_that_is_wanted_is_carried() -> None:
    demand = Demand(None)
    assert demand.carried([A, B], {}, {}, None) == [A, B]
    assert demand.labels([A, B]) == frozenset()


def test_who_asks_while_gateways_are_counting_is_not_taken_for_one_who_left() -> None:
    place = Place(A, B)
    place.look()
    place.has("a/1")
    place.now = 5
    place.look(a=IDLE)
    place.demand.call("b/1")
    assert place.look(a=BUSY, b=Usage(0, 9)) == ["a/1"], "counted before it was asked for"
    assert place.demand.has_calls
    place.look(a=BUSY, b=Usage(0, 9))
    assert not place.demand.has_calls, "its callers have left"


def test_who_is_asked_for_is_so_until_it_has_come() -> None:
    place = Place(A, B)
    place.look()
    place.has("a/1")
    place.now = 5
    place.look(a=IDLE)
    place.now = 9
    place.demand.call("b/1")
    assert place.look(a=IDLE, b=BUSY) == []
    assert place.demand.is_awaited
    place.held = {}
    assert place.look(a=IDLE, b=BUSY) == ["b/1"]
    place.has("b/1", Standing(State.LOADING, ""))
    assert place.look(a=IDLE, b=BUSY) == ["b/1"]
    assert place.demand.has_calls
    place.has("b/1")
    assert place.look(a=IDLE, b=BUSY) == ["b/1"]
    assert not place.demand.has_calls


def test_what_failed_takes_no_place_and_is_loaded_again_where_an_operator_says_so() -> None:
    place = Place(A, B)
    place.look()
    place.has("a/1", FAILED)
    assert place.look() == ["a/1"], "it is carried, and says why it failed"
    place.demand.call("b/1")
    assert place.look(b=BUSY) == ["a/1", "b/1"]
    place = Place(A)
    place.look()
    place.has("a/1", FAILED)
    place.look()
    place.wanted = [assignment("a/1", asked=1)]
    place.look()
    assert place.demand.has_calls
    place.held = {}
    assert place.look() == ["a/1"]


def test_what_an_operator_loads_is_loaded_at_once_and_is_not_on_standby_before() -> None:
    place = Place(A)
    place.look()
    place.has("a/1")
    place.now = 5
    place.look(a=IDLE)
    place.now = 9
    place.wanted = [A, B]
    assert place.demand.standby([A, B])["b/1"].state is State.DECLARED
    assert place.look(a=IDLE) == [], "the one that nobody asks for makes room"
    place.held = {}
    assert place.look(a=IDLE, b=IDLE) == ["b/1"], "nobody has to call it meanwhile"
    place.has("b/1")
    place.look(b=IDLE)
    assert place.demand.standby([A])["a/1"].state is State.STANDBY


def test_what_gateways_count_is_read_by_label() -> None:
    row = {"waiting": 4, "waiting_rows": 2, "in_flight": 3, "idle_ms": 1500}
    assert usage({"models": {"m": {"versions": {"7": row}}}}) == {"m/7": Usage(7, 1.5, 5)}


def test_what_another_server_has_takes_no_place_here() -> None:
    away = assignment("c/1", backend="upstream")
    place = Place(A, away)
    assert place.look() == ["a/1", "c/1"]
    assert place.demand.labels(place.wanted) == {"a/1"}


def test_it_is_counted_who_has_calls_when_an_operator_asks_for_one_more() -> None:
    place = Place(A)
    assert not place.demand.asks(place.wanted), "nobody counts before there are gateways"
    place.look()
    assert not place.demand.asks(place.wanted)
    assert place.demand.asks([A, B])
    assert place.demand.asks([assignment("a/1", asked=1)])
    assert not place.demand.asks([A, assignment("z/1", isolation="own")])
