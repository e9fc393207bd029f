"""A candidate that may agree with its baseline a little less than that does with itself."""

from dataclasses import replace

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.config.schema import ModelConfig
from headrace.control import orders, steering
from headrace.control.judging import Judged
from headrace.control.traffic import Shadow, Traffic
from headrace.errors import Unwanted
from headrace.rollout.bets import Units
from headrace.rollout.course import End

MIRRORED = {"mirror_percent": 10, "repeatable": True}
NOISY = plan(judge={"agreement": {"max_drop_points": 2, **MIRRORED}}, steps_percent=[50, 100])


@pytest.mark.parametrize(
    ("noise", "bad", "end"),
    [
        # By a fixed limit no version of this model could agree with another.
        (0.2, 0.2, End.PROMOTED),
        (0.2, 0.3, End.ROLLED_BACK),
        (0.0, 0.1, End.ROLLED_BACK),
    ],
)
def test_it_is_compared_with_how_far_the_baseline_agrees_with_itself(
    play: Play, noise: float, bad: float, end: End
) -> None:
    course = play.start(NOISY)
    shadows = play.desk.divisions["m"].routes["shadows"]
    assert [(one["version"], one["share"], one["noise_of_each"]) for one in shadows] == [
        (2, 1000, True)
    ]
    for _ in range(2000):
        course = play.look()
        if course.end is not None:
            break
        for version, share in ((1, noise), (2, bad)):
            row = play.gateway.rows[version]["agreement"]
            row["count"], row["bad"] = row["count"] + 20, row["bad"] + 20 * share
    assert course.end is end, course.said[-1].why
    (known,) = course.record.asked
    assert known.control.bad == pytest.approx(known.control.count * noise)


def test_by_a_fixed_limit_the_baselines_second_answers_are_nothing(play: Play) -> None:
    course = play.start(plan(judge={"agreement": {"min_percent": 90, **MIRRORED}}))
    assert "noise_of_each" not in play.desk.divisions["m"].routes["shadows"][0]
    play.look()
    play.gateway.rows[1]["agreement"] = {"count": 20, "bad": 5.0}
    course = play.look()
    assert course.record.asked[0].control == Units()


def test_a_baseline_that_may_have_side_effects_answers_nothing_twice(play: Play) -> None:
    rows = play.desk.controller.held("m")
    config = ModelConfig.model_validate({"repeatable": True})
    known = [replace(one.version, config=config) for one in rows if one.version.number == 2]
    held = [replace(one, version=known[0]) if one.version.number == 2 else one for one in rows]
    now = play.desk.controller.known("m")
    asked = {"max_drop_points": 2}
    with pytest.raises(Unwanted, match="runs on m/1 what others"):
        steering.may_judge(plan(judge={"agreement": asked}), now, held, 2, 1)
    steering.may_judge(plan(judge={"agreement": {"min_percent": 90}}), now, held, 2, 1)


def test_a_shadow_that_a_person_wants_measures_noise_as_ever() -> None:
    told = Traffic(judged=(Judged(2, mirror=100, noise=True), Judged(1))).as_policy("m")
    assert [one["noise_of_each"] for one in told["shadows"]] == [True]


def test_a_version_in_a_rollout_is_nobodys_shadow(play: Play) -> None:
    play.start(NOISY)
    for version in (1, 2):
        with pytest.raises(Unwanted, match=f"version {version} is in rollout 1, which mirrors"):
            play.desk.controller.obey(orders.shadow("m", Shadow(version, 100)), **ME)


def test_a_table_has_copies_for_a_version_once() -> None:
    judged = (Judged(2, mirror=100), Judged(1))
    told = Traffic(shadows=(Shadow(2, 5000), Shadow(3, 50)), judged=judged).as_policy("m")
    assert [(one["version"], one["share"]) for one in told["shadows"]] == [(2, 100), (3, 50)]
