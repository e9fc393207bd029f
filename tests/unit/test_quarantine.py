"""Which versions get no traffic because they were rolled back, and until when."""

from typing import Any

import pytest

from headrace.control.quarantine import Files, Quarantine, decide, gains, refusal
from headrace.control.traffic import Alias, Fact, Rule, Shadow, Traffic
from headrace.control.wanted import Pending, Wanted
from headrace.execution.policy import WHOLE
from headrace.registry.tagged import Tagged, tagged

OURS = Quarantine("m", 2, "two", "3-100", "errors: worse than allowed", 1_764_411_336_000)
LATER = Quarantine("m", 2, "two", "4-200", "p99: worse than allowed", OURS.unix_ms + 1)
RELEASED = Quarantine("m", 2, "two", "3-100", "", 5, is_released=True)
ROLLED_BACK = {"headrace.state": "rolled_back", "headrace.rollout": "3-100"}
TOLD = {**ROLLED_BACK, "headrace.rolled_back": "3-100"}
#: A rollout that goes on, or has ended, and nobody has told the registry of its end yet.
NOT_YET = {"headrace.state": "candidate", "headrace.rollout": "3-100"}
AGAIN = {**TOLD, "headrace.state": "candidate"}
TAKEN_OUT = {"headrace.rollout": "3-100", "headrace.rolled_back": "3-100"}


@pytest.mark.parametrize(
    ("kept", "digest", "tags", "holds"),
    [
        # Of a folder.
        ([], "two", None, None),
        ([OURS], "two", None, OURS),
        ([OURS], "others", None, None),
        ([OURS], "", None, OURS),
        ([Quarantine("m", 2, "", "3-100", "", 5)], "others", None, "3-100"),
        ([RELEASED], "two", None, None),
        ([RELEASED, LATER], "two", None, LATER),
        ([LATER, OURS], "two", None, LATER),
        # Of another version, or model.
        ([Quarantine("m", 3, "two", "3-100", "", 5)], "two", None, None),
        ([Quarantine("n", 2, "two", "3-100", "", 5)], "two", None, None),
        # Of a registry, which has not heard of it yet, or never will.
        ([OURS], "two", {}, OURS),
        ([OURS], "two", NOT_YET, OURS),
        ([LATER], "two", AGAIN, LATER),
        # Which has.
        ([OURS], "two", TOLD, OURS),
        ([RELEASED], "two", TOLD, None),
        ([RELEASED], "two", {**TOLD, "headrace.rolled_back": "9-9"}, "9-9"),
        # Which has released it since.
        ([OURS], "two", AGAIN, None),
        ([OURS], "two", TAKEN_OUT, None),
        ([OURS, LATER], "two", AGAIN, LATER),
        # Another server's, or a person's.
        ([], "two", TOLD, "3-100"),
        ([], "two", ROLLED_BACK, "3-100"),
        ([], "two", {"headrace.state": "rolled_back"}, ""),
        ([], "two", AGAIN, None),
        ([], "two", {}, None),
    ],
)
def test_what_was_rolled_back_is_held_until_somebody_releases_it(
    kept: list[Quarantine], digest: str, tags: dict[str, str] | None, holds: Any
) -> None:
    found = decide(kept, Files("m", 2, digest, None if tags is None else tagged(tags)))
    held = found.holds if isinstance(holds, Quarantine) else found.holds and found.holds.rollout
    assert held == holds


@pytest.mark.parametrize(
    ("kept", "tags", "spent"),
    [
        ([OURS], TOLD, ()),
        ([OURS], NOT_YET, ()),
        ([OURS], AGAIN, (OURS,)),
        ([RELEASED], AGAIN, (RELEASED,)),
        ([OURS, LATER], AGAIN, (OURS,)),
        # What a person says of the next rollout must not be said of this one already.
        ([RELEASED], TOLD, ()),
    ],
)
def test_what_a_registry_has_released_is_kept_no_more(
    kept: list[Quarantine], tags: dict[str, str], spent: tuple[Quarantine, ...]
) -> None:
    assert decide(kept, Files("m", 2, "two", tagged(tags))).spent == spent


ONE = Wanted("/m", {1: 0, 2: 0}, shares={1: WHOLE})
ALIAS = Traffic(aliases=(Alias("new", 2),))
RULE = Traffic(rules=(Rule(Fact("header", "x"), "y", 2),))


def one(**said: Any) -> Wanted:
    return Wanted("/m", {1: 0, 2: 0}, **({"shares": {1: WHOLE}} | said))


@pytest.mark.parametrize(
    ("before", "after", "who"),
    [
        (ONE, ONE, set()),
        (ONE, one(shares={2: WHOLE}), {2}),
        (ONE, one(shares={1: 9999, 2: 1}), {2}),
        (one(shares={1: 5000, 2: 5000}), one(shares={1: 9000, 2: 1000}), {1}),
        (one(shares={1: 5000, 2: 5000}), one(shares={1: 1000, 2: 9000}), {2}),
        # Once it is ready, and then.
        (ONE, one(pending=Pending({2: WHOLE})), {2}),
        (one(pending=Pending({2: WHOLE})), one(shares={2: WHOLE}), set()),
        (None, one(shares=None, pending=Pending({2: WHOLE})), {2}),
        # While nothing is decided.
        (None, one(shares=None), set()),
        (ONE, one(traffic=ALIAS), {2}),
        (ONE, one(traffic=RULE), {2}),
        (one(traffic=ALIAS), one(traffic=ALIAS, shares={1: 9000, 3: 1000}), {3}),
        (one(traffic=ALIAS), ONE, set()),
        # Nobody gets what it answers.
        (ONE, one(traffic=Traffic(shadows=(Shadow(2, WHOLE),))), set()),
    ],
)
def test_who_gets_traffic_by_a_change(before: Wanted | None, after: Wanted, who: set[int]) -> None:
    assert gains(before, after) == who


def test_a_refusal_says_which_rollout_why_when_and_how_to_go_on() -> None:
    assert str(refusal(OURS, registered=False)) == (
        "m/2 is quarantined, rollout 3 rolled it back on 2025-11-29 10:15:36 UTC: errors: worse "
        "than allowed. It may be loaded (--hold) and named in requests, and gets no traffic until "
        "it is released: `headrace rollout release m/2 --why …`; other files under its number are "
        "another version"
    )
    by_hand = Quarantine("m", 2, "", "", "", 0)
    told = str(refusal(by_hand, registered=True))
    assert "quarantined, somebody rolled it back. It may" in told
    assert "another value of its tag headrace.state" in told


def test_tags_of_a_release_before_name_the_rollout_too() -> None:
    assert tagged(ROLLED_BACK) == Tagged("rolled_back", "3-100")
    # Of one that goes on it says nothing.
    assert tagged(NOT_YET) == Tagged("candidate", "")
