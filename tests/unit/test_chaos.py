"""What the chaos run concludes from what its callers saw: by tables, without a server."""

import re
from pathlib import Path

import pytest
from tests.chaos.ledger import (
    CUT,
    LEFT,
    RIGHT,
    STATUS,
    UNREACHED,
    Account,
    Call,
    Scrape,
    differences,
    unexplained,
)
from tests.chaos.silence import longest
from tests.chaos.victims import DECK, HOSTS, SHORT, Blow, Strike, plan


def call(outcome: str, model: str = "m", at: float = 1.0, *, rows: int = 1) -> Call:
    return Call(model, "http", at, at + 0.5, outcome, rows, alive=at - 0.2)


def scrape(requests: dict[tuple[str, str], int], refused: dict[str, int] | None = None) -> Scrape:
    return Scrape(7.0, requests, refused or {})


@pytest.mark.parametrize(
    ("calls", "page", "same"),
    [
        ([], scrape({}), True),
        ([RIGHT, RIGHT, "503"], scrape({("m", RIGHT): 2, ("m", "503"): 1}), True),
        ([RIGHT, RIGHT], scrape({("m", RIGHT): 3}), False),
        ([RIGHT, RIGHT], scrape({("m", RIGHT): 1}), False),
        # One too many of one kind does not make up for one too few of another.
        ([RIGHT, "503"], scrape({("m", RIGHT): 2}), False),
        ([RIGHT, "503"], scrape({("m", "503"): 2}), False),
        # Refused before there was a version: the page does not say of which model.
        (["404", "400"], scrape({("m", "400"): 0}, {"404": 1, "400": 1}), True),
        (["404"], scrape({}, {"404": 2}), False),
        (["404"], scrape({}, {}), False),
        # Who left is counted once, as whatever it was by then.
        ([RIGHT, LEFT], scrape({("m", RIGHT): 1, ("m", "499"): 1}), True),
        ([RIGHT, LEFT], scrape({("m", RIGHT): 2}), True),
        ([LEFT], scrape({}, {"499": 1}), True),
        ([LEFT], scrape({}), False),
        ([LEFT], scrape({("m", "499"): 1}, {"499": 1}), False),
        ([RIGHT, LEFT], scrape({("m", RIGHT): 0, ("m", "499"): 2}), False),
        ([RIGHT], scrape({("m", RIGHT): 1, ("other", RIGHT): 1}), False),
    ],
)
def test_callers_and_scrape_agree_to_the_last_call(
    calls: list[str], page: Scrape, same: bool
) -> None:
    assert (not differences([call(outcome) for outcome in calls], page)) is same


def test_rows_are_compared_too() -> None:
    page = Scrape(7.0, {("m", RIGHT): 2}, {}, {"m": 5})
    assert not differences([call(RIGHT, rows=2), call(RIGHT, rows=3)], page)
    assert differences([call(RIGHT, rows=2), call(RIGHT, rows=2)], page) == [
        "m rows: callers 4, scrape 5"
    ]


def test_a_gateways_calls_are_those_that_began_after_the_one_before_had_ended() -> None:
    account = Account(since=10.0, struck=9.9)
    account.take([call(RIGHT, at=9.8), call(RIGHT, at=9.9), call(RIGHT, at=10.0)])
    account.take([call(CUT, at=11.0), call(UNREACHED)])
    assert ([one.began for one in account.calls], account.gap) == ([10.0], 2)
    assert [one.began for one in account.doubtful] == [9.9]


def test_who_left_over_a_connection_to_the_gateway_before_may_have_reached_nobody() -> None:
    account = Account(since=10.0, struck=9.9)
    account.take([call(LEFT, at=10.1), call(RIGHT, at=10.1), call(LEFT, at=10.3)])
    assert [one.outcome for one in account.calls] == [RIGHT, LEFT]
    assert [(one.outcome, one.began) for one in account.doubtful] == [(LEFT, 10.1)]
    for counted, same in ((0, False), (1, True), (2, True), (3, False)):
        page = scrape({("m", RIGHT): 1, ("m", "499"): counted})
        assert (not differences(account.calls, page, account.doubtful)) is same


@pytest.mark.parametrize(("counted", "same"), [(1, False), (2, True), (3, True), (4, False)])
def test_who_began_while_a_gateway_died_may_be_counted_by_the_next(
    counted: int, same: bool
) -> None:
    page = scrape({("m", RIGHT): counted})
    doubtful = [call(RIGHT)]
    assert (not differences([call(RIGHT), call(RIGHT)], page, doubtful)) is same
    other = [call("503")]
    assert (not differences([call(RIGHT), call(RIGHT)], page, other)) is (counted == 2)


@pytest.mark.parametrize(
    ("outcome", "death", "explained"),
    [
        # Alive at 0.8, began at 1.0, ended at 1.5.
        (CUT, 0.7, False),
        (CUT, 0.9, True),
        (CUT, 1.4, True),
        (CUT, 2.4, True),
        (CUT, 2.6, False),
        (UNREACHED, 0.0, True),
        (UNREACHED, 2.6, False),
    ],
)
def test_only_a_death_explains_a_call_of_which_nothing_is_known(
    outcome: str, death: float, explained: bool
) -> None:
    assert (not unexplained([call(outcome)], [death], slack_s=1.0)) is explained
    assert unexplained([call(outcome), call(RIGHT), call("503")], [], slack_s=1.0) == [
        call(outcome)
    ]


def test_every_kind_of_fault_has_a_status() -> None:
    faults = Path(__file__).parents[2] / "runtime" / "core" / "src" / "base" / "fault.rs"
    assert set(STATUS) == set(re.findall(r'^ +\w+ = \d+ "(\w+)",$', faults.read_text(), re.M))
    assert set(STATUS.values()) == {
        *("400", "403", "404", "408", "429", "499", "500", "501", "503", "504"),
    }


@pytest.mark.parametrize(
    ("answers", "silence"),
    [([], 10.0), ([1.0, 4.0], 6.0), ([9.0, 2.0], 7.0), ([-1.0, 11.0], 10.0), ([6.0], 6.0)],
)
def test_a_silence_is_the_longest_time_without_an_answer(
    answers: list[float], silence: float
) -> None:
    assert longest(answers, 0.0, 10.0) == silence


def test_a_seed_strikes_the_same_processes_in_the_same_order() -> None:
    assert plan(7, 100) == plan(7, 100)
    assert plan(7, 100) != plan(8, 100)
    assert plan(7, 30) == plan(7, 100)[:30]


def test_a_deck_is_dealt_whole_before_it_is_dealt_again() -> None:
    for deck in (DECK, SHORT):
        dealt = [(one.victim, one.blow) for one in plan(1, 2 * len(deck), deck)]
        assert sorted(dealt[: len(deck)], key=str) == sorted(deck, key=str)
        assert sorted(dealt[len(deck) :], key=str) == sorted(deck, key=str)


def test_what_is_promised_depends_on_who_is_struck() -> None:
    assert {victim for victim, _ in DECK} >= {*HOSTS, "gateway", "controller", "gcs", "raylet"}
    assert Strike("slow/1", Blow.STOP).bound_s("slow") == 10.0
    assert Strike("slow/1", Blow.STOP).bound_s("quick") == 1.0
    assert Strike("gateway", Blow.KILL).bound_s("quick") == 2.0
    assert Strike("controller", Blow.KILL).bound_s("quick") == 1.0
    assert Strike("gateway", Blow.KILL).ends_gateway
    assert not Strike("gateway", Blow.PAUSE).ends_gateway
    assert Strike("raylet", Blow.KILL).ends_gateway
    assert not Strike("raylet", Blow.STOP).ends_gateway
