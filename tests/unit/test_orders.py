"""Rules and what sticks: what operators order, and what the core is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.desk import Desk

from headrace.control import orders, traffic
from headrace.control.orders import Order
from headrace.control.traffic import Alias, Fact, Rule, Shadow, Traffic
from headrace.control.wanted import Pending, Wanted
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State

USER, BETA = Fact("header", "x-user-id"), Fact("parameter", "Beta")
NOW = Wanted("/m", {1: 0, 2: 0}, shares={1: WHOLE})


def routed(**given: Any) -> Wanted:
    return replace(NOW, traffic=Traffic(**given))


@pytest.mark.parametrize(
    ("now", "order", "after"),
    [
        # Names of headers have no case, those of parameters do.
        (
            NOW,
            lambda: orders.rule("m", "header:X-User-Id", "7", 2),
            routed(rules=(Rule(USER, "7", 2),)),
        ),
        # Rules keep their order, and one that is there its place.
        (
            routed(rules=(Rule(USER, "7", 2), Rule(BETA, "yes", 2))),
            lambda: orders.rule("m", "header:x-user-id", "7", 1),
            routed(rules=(Rule(USER, "7", 1), Rule(BETA, "yes", 2))),
        ),
        (
            routed(rules=(Rule(USER, "7", 2), Rule(BETA, "yes", 2))),
            lambda: orders.rule("m", "header:x-user-id", "7", None),
            routed(rules=(Rule(BETA, "yes", 2),)),
        ),
        (
            NOW,
            lambda: orders.rule("m", "parameter:a", "b", None),
            "no rule parameter:a=b",
        ),
        (NOW, lambda: orders.rule("m", "parameter:a", "x" * 129, 1), "1 to 128 bytes"),
        (NOW, lambda: orders.rule("m", "parameter:a", "\n", 1), "all printable"),
        (NOW, lambda: orders.stick("m", "header:x-user-id"), routed(sticky=USER)),
        (routed(sticky=USER), lambda: orders.stick("m", None), routed()),
        (NOW, lambda: orders.shadow("m", Shadow(2, WHOLE)), routed(shadows=(Shadow(2, WHOLE),))),
        (
            routed(shadows=(Shadow(2, WHOLE), Shadow(1, 5))),
            lambda: orders.shadow("m", Shadow(2, 100, repeatable=True)),
            routed(shadows=(Shadow(1, 5), Shadow(2, 100, repeatable=True))),
        ),
        (NOW, lambda: orders.shadow("m", Shadow(7, WHOLE)), "version 7 is not loaded"),
        (
            NOW,
            lambda: orders.shadow("m", Shadow(2, 1, keep_worst=65)),
            "keeps 0 to 64 pairs, not 65",
        ),
        (NOW, lambda: orders.shadow("m", Shadow(2, 0)), "more than 0 and at most 100 %, not 0"),
        (
            replace(NOW, shares={2: WHOLE}),
            lambda: orders.shadow("m", Shadow(2, WHOLE)),
            "version 2 has all the traffic",
        ),
        (
            routed(shadows=tuple(Shadow(one, 1) for one in range(3, 11))),
            lambda: orders.shadow("m", Shadow(2, 1)),
            "at most 7 shadows",
        ),
        (routed(shadows=(Shadow(2, 1),)), lambda: orders.unshadow("m", 2), routed()),
        (
            routed(shadows=(Shadow(2, 1),)),
            lambda: orders.unshadow("m", 1),
            "version 1 is no shadow; shadows are 2",
        ),
        # A shadow ends with its version.
        (
            routed(shadows=(Shadow(2, 1), Shadow(1, 1))),
            lambda: orders.unload("m", 2),
            Wanted(
                "/m",
                {1: 0},
                unloaded=frozenset({2}),
                shares=NOW.shares,
                traffic=Traffic(shadows=(Shadow(1, 1),)),
            ),
        ),
        # Aliases are kept by name, and each leads to one version.
        (
            routed(aliases=(Alias("b", 2),)),
            lambda: orders.alias("m", "a", 1),
            routed(aliases=(Alias("a", 1), Alias("b", 2))),
        ),
        (
            routed(aliases=(Alias("a", 1), Alias("b", 2))),
            lambda: orders.alias("m", "a", 2),
            routed(aliases=(Alias("a", 2), Alias("b", 2))),
        ),
        (
            routed(aliases=(Alias("a", 1), Alias("b", 2))),
            lambda: orders.alias("m", "a", None),
            routed(aliases=(Alias("b", 2),)),
        ),
        (
            routed(aliases=(Alias("b", 2),)),
            lambda: orders.alias("m", "a", None),
            "there is no alias 'a'; there is b",
        ),
        (NOW, lambda: orders.alias("m", "a" * 128, 1), routed(aliases=(Alias("a" * 128, 1),))),
        *(
            (NOW, lambda name=name: orders.alias("m", name, 1), "an alias is a lower-case letter")
            for name in ("2", "Best", "a b", "a/b", "-a", "ä", "a\n", "a" * 129)
        ),
        (NOW, lambda: orders.alias("m", "a", 7), "version 7 is not loaded"),
        (
            routed(aliases=tuple(Alias(f"a{one:02}", 1) for one in range(64))),
            lambda: orders.alias("m", "b", 1),
            "at most 64 aliases",
        ),
        # Whom an alias leads to is not unloaded, but with the whole model.
        (
            routed(aliases=(Alias("best", 2),)),
            lambda: orders.unload("m", 2),
            "the alias best leads to version 2: move that first",
        ),
        (
            routed(aliases=(Alias("best", 2),)),
            lambda: orders.unload("m", None),
            Wanted("/m", unloaded=frozenset({1, 2})),
        ),
        # Who has a rule is not unloaded.
        (
            routed(rules=(Rule(USER, "7", 2),)),
            lambda: orders.unload("m", 2),
            "the rule header:x-user-id=7 leads to version 2",
        ),
        # But with the whole model all goes.
        (
            routed(rules=(Rule(USER, "7", 2),), sticky=USER),
            lambda: orders.unload("m", None),
            Wanted("/m", unloaded=frozenset({1, 2}), traffic=Traffic(sticky=USER)),
        ),
    ],
)
def test_orders(now: Wanted, order: Callable[[], Order], after: Wanted | str) -> None:
    if isinstance(after, str):
        with pytest.raises(Unwanted) as error:
            order().change(now, {})
        assert after in str(error.value)
    else:
        assert order().change(now, {}) == after


@pytest.mark.parametrize(
    "order",
    [
        lambda: orders.alias("m", "best", 2),
        lambda: orders.rule("m", "header:x-user-id", "7", 2),
        lambda: orders.shadow("m", Shadow(2, WHOLE)),
        lambda: orders.split("m", {2: WHOLE}),
    ],
)
def test_nobody_is_sent_to_a_version_that_failed(order: Callable[[], Order]) -> None:
    with pytest.raises(Unwanted, match="version 2 failed: no weights"):
        order().change(NOW, {2: Standing(State.FAILED, "no weights")})


@pytest.mark.parametrize(
    "text", ["", "header", "header:", "header:a b", "header:ä", "cookie:x", "parameter:", ":x"]
)
def test_what_is_no_place_in_a_request_is_refused(text: str) -> None:
    with pytest.raises(Unwanted, match="expected header:NAME or parameter:NAME"):
        traffic.fact(text)


def test_a_swap_leaves_whom_somebody_names(desk: Desk) -> None:
    desk.stand(m={1: State.READY})
    desk.models["m"] = [1, 2]
    who: Any = {"who": "me", "why": ""}
    desk.controller.obey(orders.rule("m", "header:x-old", "yes", 1), **who)
    desk.controller.load("m", 2, swap=True, **who)
    desk.stand(m={2: State.READY})
    assert (desk.carried, desk.shares) == (["m/1", "m/2"], {"m": {2: WHOLE}})
    assert desk.divisions["m"].leads_to == [1]
    desk.models["m"] = [2]
    desk.begin()
    assert desk.divisions["m"].routes == {}


def test_an_alias_outlives_the_server_keeps_its_version_and_is_undone(desk: Desk) -> None:
    desk.stand(m={1: State.READY})
    desk.models["m"] = [1, 2]
    who: Any = {"who": "me", "why": "proven"}
    desk.controller.obey(orders.alias("m", "best", 1), **who)
    told = {"aliases": [{"name": "best", "version": 1}]}
    assert (desk.divisions["m"].routes, desk.divisions["m"].leads_to) == (told, [1])
    desk.controller.load("m", 2, swap=True, **who)
    desk.stand(m={2: State.READY})
    assert (desk.carried, desk.shares) == (["m/1", "m/2"], {"m": {2: WHOLE}})
    desk.begin()
    assert desk.divisions["m"].routes == told
    desk.controller.obey(orders.alias("m", "best", 2), **who)
    (entry,) = desk.controller.store.journal(1)
    assert (entry.what, entry.why) == ("alias best 2", "proven")
    assert desk.divisions["m"].leads_to == [2]
    desk.controller.undo(entry.number, **who)
    assert desk.divisions["m"].routes == told


def test_a_shadow_outlives_the_server_and_is_undone(desk: Desk) -> None:
    desk.stand(m={1: State.READY})
    desk.models["m"] = [1, 2]
    who: Any = {"who": "me", "why": "it is new"}
    desk.controller.load("m", 2, swap=False, **who)
    desk.controller.obey(orders.shadow("m", Shadow(2, 2500, True, True, 16)), **who)
    one = {"version": 2, "share": 2500, "repeatable": True, "apart": True, "keep_worst": 16}
    told = {"shadows": [one]}
    assert (desk.divisions["m"].routes, desk.divisions["m"].leads_to) == (told, [2])
    desk.begin()
    assert desk.divisions["m"].routes == told
    (entry,) = desk.controller.store.journal(1)
    said = "shadow 2 --percent 25 --repeatable --apart --keep-worst 16"
    assert (entry.what, entry.why) == (said, "it is new")
    desk.controller.undo(entry.number, **who)
    assert (desk.divisions["m"].routes, desk.carried) == ({}, ["m/1", "m/2"])


def test_what_is_kept_and_what_the_core_reads() -> None:
    given = Traffic(
        (Rule(USER, "7", 2), Rule(BETA, "yes", 1)),
        USER,
        (Shadow(2, 50),),
        aliases=(Alias("best", 2),),
    )
    assert traffic.from_json(given.as_json()) == given
    assert traffic.from_json({}) == Traffic()
    assert given.as_policy("m") == {
        "aliases": [{"name": "best", "version": 2}],
        "rules": [
            {"fact": {"header": "x-user-id"}, "value": "7", "version": 2},
            {"fact": {"parameter": "Beta"}, "value": "yes", "version": 1},
        ],
        "sticky": {"fact": {"header": "x-user-id"}, "salt": "m"},
        "shadows": [
            {"version": 2, "share": 50, "repeatable": False, "apart": False, "keep_worst": 0}
        ],
    }
    assert Traffic().as_policy("m") == {}
    waiting = replace(routed(sticky=USER), pending=Pending({2: WHOLE}))
    assert waiting.traffic.named == {}
