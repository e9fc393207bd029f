"""Rollouts on the console's page: one that goes on, and one that has ended.

`ROLLOUT_PICTURES=FOLDER pytest tests/browser/test_rollout_page.py` leaves there how they look.
"""

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import OpenUrl, confirm, press
from tests.ports import free_ports
from tests.unit.counting import CountingGateway
from tests.unit.desk import Desk
from tests.unit.labels_sent import Labelled, Labels
from tests.unit.rolling import Play, plan

from headrace.config.rollouts import RolloutPlan
from headrace.console.logbook import Logbook
from headrace.console.server import Console
from headrace.control import orders
from headrace.control.releasing import release
from headrace.control.rollouts import MOST_PASSED_S
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.rollout.course import End

PLAN = RolloutPlan.model_validate(
    {
        "judge": {
            "errors": {"max_increase_points": 0.5},
            "p99": {"max_ratio": 1.1},
            "agreement": {"repeatable": True, "min_percent": 98},
        },
        "steps_percent": [1, 5, 25, 100],
        "minimum": {"units": 100, "minutes": 5},
        "approval": "each_step",
    }
)


class Played:
    """A server with two versions of a model, whose gateway counts what a test says."""

    def __init__(self, folder: Path) -> None:
        self.logbook = Logbook(folder / "logs", None)
        self.desk = Desk(folder, self.logbook, photos=[1, 2])
        # The page says when: it is to be a time that people know.
        self.desk.now = time.time()
        self.desk.stand(photos={1: State.READY, 2: State.READY})
        self.desk.controller.obey(orders.split("photos", {1: WHOLE}), who="me", why="")
        self.gateway = CountingGateway(model="photos")
        self.port = free_ports()
        self.console = Console("127.0.0.1", self.port, self.desk.sources)

    def count(self, runs: int, *, bad: float) -> None:
        """Have version 1 run so often, and version 2 a twentieth of it, so many of them bad."""
        routes = self.desk.divisions["photos"].routes
        self.gateway.rollout = self.desk.rollouts.all()[-1].number
        self.gateway.follow(
            {one["version"]: tuple(one["slow_ns"]) for one in routes.get("judged", ())}
        )
        for _ in range(10):
            self.gateway.count(1, runs // 10, bad=runs / 1000, slow=runs / 1000, ms=18)
            self.gateway.count(2, runs // 200, bad=bad / 10, slow=runs / 40_000, ms=16)
            self.compare(runs // 200, bad=runs / 20_000)
            self.desk.gateways = [self.gateway.told()]
            self.desk.rollouts.look()

    def compare(self, pairs: int, *, bad: float) -> None:
        """Count pairs of answers, so many of which differ."""
        if row := self.gateway.rows.get(2):
            before = row.get("agreement", {"count": 0, "bad": 0.0})
            row["agreement"] = {"count": before["count"] + pairs, "bad": before["bad"] + bad}

    def watch(self, *, minutes: float) -> None:
        """Look for so long, and see nothing new."""
        for _ in range(round(minutes * 60 / MOST_PASSED_S)):
            self.desk.now += MOST_PASSED_S
            self.desk.rollouts.look()

    def begin(self, why: str) -> None:
        """Begin a rollout, and have it know the baseline's latency."""
        said: Any = {"baseline": None, "who": "ann@desk", "why": why}
        self.desk.rollouts.start("photos", 2, PLAN, **said)
        self.count(2000, bad=0)

    def close(self) -> None:
        self.console.close()
        self.desk.close()
        self.logbook.close()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    """One rollout has ended, and another one is at its second step."""
    one = Played(tmp_path)
    one.begin("a first try")
    one.count(2000, bad=0)
    one.desk.rollouts.stop(1, End.ROLLED_BACK, who="ann@desk", why="the wrong weights")
    told = {"who": "ann@desk", "why": "the right ones are there"}
    release(one.desk.controller, one.desk.rollouts.telling, "photos", 2, **told)
    one.begin("the right <b>weights</b>")
    one.count(20_000, bad=9)
    one.watch(minutes=6)
    one.desk.rollouts.approve(2, who="ann@desk", why="looks fine")
    one.desk.rollouts.look()
    one.count(40_000, bad=22)
    one.console.start()
    yield one
    one.close()


@pytest.fixture
def page(played: Played, open_url: OpenUrl) -> Any:
    found = open_url(f"http://127.0.0.1:{played.port}")
    found.get_by_role("heading", name="photos: version 2 against 1").wait_for()
    return found


def card(page: Any, number: int) -> Any:
    return page.get_by_label(f"Rollout {number}", exact=True)


def test_what_is_known_of_a_rollout_is_shown_as_it_comes(played: Played, page: Any) -> None:
    on, ended = card(page, 2), card(page, 1)
    assert "step 2 of 3" in on.inner_text()
    assert "begun by ann@desk: the right <b>weights</b>" in on.inner_text()
    errors = on.locator(".metrics li", has=page.get_by_role("heading", name="errors"))
    errors.get_by_text("of 3,000 failed").wait_for()
    assert errors.locator(".margin").get_attribute("x1") == "62.5%"
    width = float(errors.locator(".interval").get_attribute("width").rstrip("%"))
    on.get_by_text("What was said and done").click()
    on.locator(".told li").last.wait_for()
    assert "Approve: step 1, by ann@desk: looks fine" in on.locator(".told").inner_text()
    assert "the wrong weights" not in ended.inner_text()
    ended.locator("summary").click()
    ended.get_by_text("by ann@desk: the wrong weights").first.wait_for()
    assert ended.get_by_role("button").count() == 0

    played.count(400_000, bad=200)
    errors.get_by_text("of 23,000 failed").wait_for()
    narrower = float(errors.locator(".interval").get_attribute("width").rstrip("%"))
    assert narrower < width / 1.5
    assert errors.locator(".margin").get_attribute("x1") == "62.5%"
    # What was unfolded stays so while it changes.
    assert on.locator(".told li").last.is_visible()


def test_a_word_is_said_and_the_journal_has_it(played: Played, page: Any) -> None:
    played.watch(minutes=6)
    press(page, "Approve rollout 2")
    page.get_by_label("Reason").fill("go on")
    confirm(page)
    card(page, 2).get_by_text("step 3 of 3").wait_for()
    press(page, "Roll back rollout 2")
    assert "Version 1 has all the traffic" in page.locator("#confirmation").inner_text()
    page.keyboard.press("Escape")
    assert played.desk.rollouts.one(2).end is None
    press(page, "Roll back rollout 2")
    page.get_by_label("Reason").fill("not today")
    confirm(page)
    card(page, 2).locator(".state.rolled-back").wait_for()
    page.get_by_text("rollout 2 rolled back: 1=100: not today").wait_for()
    entry = played.desk.controller.store.journal(1)[0]
    assert (entry.who, entry.what, entry.why) == (
        "console page",
        "rollout 2 rolled back: 1=100",
        "not today",
    )
    assert played.desk.shares == {"photos": {1: WHOLE}}


def test_what_is_refused_is_said(played: Played, page: Any) -> None:
    press(page, "Promote rollout 2")
    played.desk.rollouts.stop(2, End.STOPPED, who="bob@desk", why="")
    page.locator("#confirm").click()
    page.locator("#refused").wait_for()
    assert page.locator("#refused").inner_text() == "rollout 2 has ended: stopped"
    page.keyboard.press("Escape")
    card(page, 2).locator(".state.stopped").wait_for()


def test_nothing_of_a_rollout_is_cut_off(played: Played, page: Any) -> None:
    card(page, 1).locator("summary").click()
    for width, scheme in itertools.product((360, 1400), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("ROLLOUT_PICTURES"):
            page.locator("main").screenshot(path=f"{folder}/{scheme}-{width}.png")


def test_the_difference_of_a_value_is_in_its_own_unit(tmp_path: Path, open_url: OpenUrl) -> None:
    logbook = Logbook(tmp_path / "logs", None)
    desk, port = Labelled(tmp_path, logbook, m=[1, 2]), free_ports()
    play, labels = Play(desk), Labels(desk)
    value = {"low": 0, "high": 10, "max_loss": 0.5}
    play.start(plan(judge={"values": {"clicks": value}}, steps_percent=[50, 100], max_hours=1))
    for version, clicks in ((1, 4.0), (2, 5.0)):
        labels.score(version, [clicks] * 40)
    play.look()
    console = Console("127.0.0.1", port, desk.sources)
    console.start()
    metrics = open_url(f"http://127.0.0.1:{port}").locator(".metrics li")
    clicks_row = metrics.filter(has_text="clicks")
    clicks_row.get_by_text("version 2: 5 on average of 40").wait_for()
    told = clicks_row.locator(".where p").inner_text()
    found = re.fullmatch(r".(.*) to \+(.*) on average; at most 0.5 less is allowed", told)
    assert found is not None, told
    assert float(found[2]) - float(found[1]) == pytest.approx(2, abs=0.2)
    console.close()
    desk.close()
    logbook.close()


def test_of_a_version_against_itself_each_arm_has_its_name(
    tmp_path: Path, open_url: OpenUrl
) -> None:
    logbook = Logbook(tmp_path / "logs", None)
    desk, port = Desk(tmp_path, logbook, m=[1, 2]), free_ports()
    Play(desk)
    asked = plan(kind="a/a", steps_percent=[50], max_hours=1)
    desk.rollouts.start("m", 1, asked, baseline=None, who="me", why="")
    console = Console("127.0.0.1", port, desk.sources)
    console.start()
    shown = card(open_url(f"http://127.0.0.1:{port}"), 1)
    shown.get_by_text("version 1+control: no units yet").first.wait_for()
    assert shown.get_by_text("version 1: no units yet").count() > 0
    # There is nothing to promote.
    assert shown.locator("button").all_inner_texts() == ["Roll back", "Stop"]
    console.close()
    desk.close()
    logbook.close()
