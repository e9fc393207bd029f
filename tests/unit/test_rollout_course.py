"""A rollout from its beginning to its end, by what gateways count."""

import json
from typing import Any

import pytest
from tests.unit.counting import CountingGateway

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import Units
from headrace.rollout.counted import counted
from headrace.rollout.course import MOST_SAID, Course, End, Sight, Way
from headrace.rollout.keeping import from_json, to_json
from headrace.rollout.looking import looked

READY = {1: Way.ANSWERS, 2: Way.ANSWERS}


def plan(**said: Any) -> RolloutPlan:
    asked: dict[str, Any] = {
        "judge": {"errors": {"max_increase_points": 0.5}, "p99": {"max_ratio": 1.2}},
        "steps_percent": [5, 25, 100],
        "minimum": {"units": 100, "minutes": 0.1},
    }
    return RolloutPlan.model_validate(asked | said)


class Play:
    """A rollout of version 2 against 1, and a gateway that counts for it."""

    def __init__(self, asked: RolloutPlan) -> None:
        self.now = 1000.0
        self.gateway = CountingGateway(rollout=7)
        self.ways = dict(READY)
        self.crashes = {1: 3, 2: 0}
        self.course = Course.begin(
            7, "m", asked, candidate=2, baseline=1, crashes=(0, 3), now=self.now,
            who="me", why="better",
        )  # fmt: skip

    def look(self, seconds: float = 1.0) -> Course:
        self.now += seconds
        told = tuple(counted(self.gateway.told()))
        self.course = looked(self.course, Sight(told, self.ways, self.crashes, seconds), self.now)
        # What it keeps is all that it depends on.
        assert from_json(json.loads(json.dumps(to_json(self.course)))) == self.course
        self.gateway.follow(self.course.judged)
        return self.course

    def run(self, looks: int, *, bad: float = 0.0, slow: float = 0.0) -> Course:
        """Look so often; each time both versions have had 50 runs, the candidate's bad ones so."""
        for _ in range(looks):
            if self.course.end is None:
                self.gateway.count(1, 50, bad=0.5, slow=0.5)
                self.gateway.count(2, 50, bad=bad, slow=slow)
                self.look()
        return self.course

    def begun(self) -> "Play":
        """Have it at its first step."""
        self.gateway.follow(self.course.judged)
        self.gateway.count(1, 1500)
        self.look()
        assert self.course.percent == 5
        return self


def test_the_baselines_latency_is_known_before_traffic_moves() -> None:
    play = Play(plan())
    assert (play.course.percent, play.course.judged) == (0, {1: ()})
    play.gateway.follow(play.course.judged)
    play.gateway.count(1, 400)
    assert (play.look().percent, play.course.said[-1].what) == (0, "measure")
    assert "400 of 1000 answers of version 1" in play.course.said[-1].why
    play.gateway.count(1, 600)
    begun = play.look()
    line, ratio = begun.judged[1][0], begun.judged[2][0] / begun.judged[1][0]
    assert 10e6 <= line <= 10.7e6
    assert 1.2 <= ratio <= 1.28
    assert (begun.percent, begun.said[-1].what) == (5, "step")
    assert begun.record.step_started_at == begun.watched_s == 2
    # It goes on for as long as it may, and no longer.
    late = Play(plan(max_hours=1))
    assert late.look(3599).end is None
    assert late.look(1).end is End.INCONCLUSIVE


def test_without_a_quantile_there_is_nothing_to_measure() -> None:
    play = Play(plan(judge={"errors": {}}))
    assert (play.course.percent, play.course.judged) == (5, {1: (), 2: ()})


def test_after_mirrored_traffic_the_versions_are_compared_from_the_first_step_on() -> None:
    agreement = {"min_percent": 90}
    mirrored = plan(kind="shadow-first", judge={"errors": {}, "agreement": agreement})
    play = Play(mirrored)
    play.gateway.follow(play.course.judged)
    play.gateway.count(1, 500)
    play.look()
    assert (play.course.percent, play.course.compared_s) == (0, 0)
    for pairs in (60, 120):
        play.gateway.rows[2]["agreement"] = {"count": pairs, "bad": 0.0}
        play.look(400)
    assert (play.course.percent, play.course.compared_s) == (5, play.now)
    assert play.course.latency == ((), ())


def test_a_good_candidate_goes_from_step_to_step_and_is_promoted() -> None:
    play = Play(plan()).begun()
    shares: list[float] = []
    for _ in range(400):
        course = play.run(1, bad=0.25, slow=0.1)
        if course.end is not None:
            break
        if not shares or shares[-1] != course.percent:
            shares.append(course.percent)
    assert (course.end, shares) == (End.PROMOTED, [5, 25])
    assert [one.what for one in course.said if one.what in ("step", "promoted")] == [
        "step", "step", "promoted",
    ]  # fmt: skip
    assert course.judged == {}
    assert course.latency[0]
    assert "no metric is worse than allowed" in course.said[-1].why


@pytest.mark.parametrize(
    ("harm", "says"),
    [({"bad": 5.0}, "errors: 10 % bad against 1 %"), ({"slow": 5.0}, "p99: 10 % bad against 1 %")],
)
def test_a_bad_candidate_goes_back(harm: dict[str, float], says: str) -> None:
    course = Play(plan()).begun().run(60, **harm)
    assert course.end is End.ROLLED_BACK
    assert says in course.said[-1].why


@pytest.mark.parametrize("another", ["lines", "rollout"])
def test_what_is_counted_for_another_or_by_other_lines_is_not_taken(another: str) -> None:
    play = Play(plan()).begun()
    if another == "lines":
        play.gateway.follow({1: (5,), 2: (5,)})
    else:
        play.gateway.rollout = 6
        play.gateway.follow(play.course.judged)
    course = play.run(1, bad=50)
    play.gateway.rollout = 7
    play.gateway.follow(play.course.judged)
    assert course.record.evidence[0].candidate == Units()
    # The table has come by now.
    assert play.run(1).record.evidence[0].candidate == Units(50, 0)


def test_a_gateway_that_begins_anew_is_counted_from_its_zero() -> None:
    play = Play(plan()).begun()
    play.run(2)
    play.gateway = CountingGateway(began=2, rollout=7)
    play.gateway.follow(play.course.judged)
    assert play.run(1).record.evidence[0].candidate == Units(150, 0)
    assert [one.gateways for one in play.course.seen] == [2, 2]


def test_crashes_are_those_since_it_began_also_of_a_server_that_began_anew() -> None:
    play = Play(plan()).begun()
    play.crashes = {1: 4, 2: 2}
    health = play.look().record.health
    assert (health.candidate_crashes, health.control_crashes) == (2, 1)
    play.crashes = {1: 0, 2: 1}
    course = play.look()
    assert (course.record.health.candidate_crashes, course.end) == (3, None)
    play.crashes = {1: 0, 2: 2}
    assert play.look().end is End.ROLLED_BACK
    assert "version 2 crashed 4 times, the control 1" in play.course.said[-1].why


def test_what_is_met_while_a_version_is_away_is_no_evidence() -> None:
    play = Play(plan()).begun()
    play.run(5)
    play.ways[2] = Way.COMES
    for _ in range(20):
        play.gateway.count(1, 50)
        play.gateway.count(2, 50, bad=50)
        play.look()
    play.ways[2] = Way.ANSWERS
    course = play.run(5)
    assert (course.end, course.record.evidence[0].candidate) == (None, Units(500, 0))


@pytest.mark.parametrize(
    ("asked", "crashes", "what", "says"),
    [
        ({"max_crashes": 1}, 2, "rolled back", "crashed 2 times"),
        ({"max_hours": 0.001}, 0, "inconclusive", "version 2 is being loaded"),
        ({"max_hours": 0.001, "when_inconclusive": "roll_back"}, 0, "rolled back", "being loaded"),
    ],
)
def test_who_comes_and_comes_is_not_waited_for_for_ever(
    asked: dict[str, Any], crashes: int, what: str, says: str
) -> None:
    play = Play(plan(**asked)).begun()
    play.ways[2] = Way.COMES
    play.crashes = {1: 0, 2: crashes}
    course = play.run(10)
    assert course.said[-1].what == what
    assert says in course.said[-1].why


def test_only_what_was_watched_counts_as_time() -> None:
    play = Play(plan(max_hours=1)).begun()
    play.now += 48 * 3600
    assert play.run(5).end is None
    assert play.course.watched_s == 6


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("unserved", "unserved: 50 % bad against 0 %"),
        ("refused", "refused: 100 % bad against 0 %"),
    ],
)
def test_guards_send_back_what_nobody_asked_for(row: str, says: str) -> None:
    play = Play(plan(judge={"errors": {}}, minimum={"units": 10_000, "minutes": 0}))
    play.gateway.follow(play.course.judged)
    course = play.course
    for _ in range(120):
        if course.end is not None:
            break
        play.gateway.count(1, 50)
        play.gateway.count(2, 50)
        bad = 1 if row == "refused" else 0.5
        for version, share in ((1, 0.0), (2, bad)):
            counted_so_far = play.gateway.rows[version][row]
            counted_so_far["count"] += 1
            counted_so_far["bad"] += share
        course = play.look()
    assert course.end is End.ROLLED_BACK
    assert says in course.said[-1].why


def test_seconds_in_which_one_version_had_no_request_are_not_compared() -> None:
    play = Play(plan(judge={"errors": {}}, minimum={"units": 10_000, "minutes": 0}))
    play.gateway.follow(play.course.judged)
    for second in range(200):
        # Both miss the same when there is most to do, and the small one is rarely asked else.
        busy = second % 4 == 0
        for version in (1, 2) if busy else (1,):
            play.gateway.count(version, 1)
            row = play.gateway.rows[version]["unserved"]
            row["count"], row["bad"] = row["count"] + 1, row["bad"] + 0.3 * busy
        play.look()
    (unserved,) = [one for one in play.course.record.evidence if one.criterion.name == "unserved"]
    assert unserved.candidate == unserved.control
    assert play.course.end is None


def test_guards_need_not_be_proven_and_cost_the_others_little() -> None:
    asked = plan()
    record = Play(asked).course.record
    assert [one.criterion.name for one in record.asked] == ["errors", "p99"]
    assert len(record.evidence) == 4
    assert record.log_harm == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("ways", "what", "end"),
    [
        ({2: Way.COMES}, "wait", None),
        ({1: Way.COMES}, "wait", None),
        ({2: Way.CANNOT}, "rolled back", End.ROLLED_BACK),
        # There is nothing to go back to.
        ({1: Way.CANNOT}, "hold", None),
        ({1: Way.CANNOT, 2: Way.CANNOT}, "hold", None),
    ],
)
def test_a_version_that_cannot_answer_is_waited_for_or_left(
    ways: dict[int, Way], what: str, end: End | None
) -> None:
    play = Play(plan()).begun()
    play.ways |= ways
    assert (play.look().said[-1].what, play.course.end) == (what, end)


def test_a_candidate_that_fails_while_latency_is_measured_gets_nothing() -> None:
    play = Play(plan())
    play.ways[2] = Way.CANNOT
    assert play.look().end is End.ROLLED_BACK


def test_what_lasts_is_said_once_and_all_of_it_is_bounded() -> None:
    course = Play(plan()).course
    for second in range(3):
        course = course.saying("hold", f"{second} units", 2000.0 + second)
    assert [(one.unix_ms, one.why) for one in course.said[1:]] == [(2_000_000, "2 units")]
    for second in range(3 * MOST_SAID):
        course = course.saying(("wait", "hold")[second % 2], str(second), 2500.0 + second)
    lasting = [(2_500_000, "wait"), (2_000_000, "hold")]
    assert [(one.unix_ms, one.what) for one in course.said[1:]] == lasting
    for number in range(2 * MOST_SAID):
        course = course.saying("step", str(number), 3000.0)
    assert (len(course.said), course.said[-1].why) == (MOST_SAID, str(2 * MOST_SAID - 1))
