"""A few of the rollouts that `python -m tests.rollouts` judges, with the same dice each time."""

from tests.rollouts import neighbours, queues, stalls
from tests.rollouts.campaign import SCENARIOS, campaign, summary

from headrace.rollout.estimate import units_needed
from headrace.rollout.evidence import Criterion

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def test_the_same_version_twice_is_not_told_apart_however_often_one_looks() -> None:
    said = campaign(BY_NAME["a/a, bursts"], 6, processes=1)
    assert summary(said["Headrace, all metrics"])["rolled_back"] == 0
    wrong = [
        summary(said[f"z-test each second, {name}"])["rolled_back"] for name in ("errors", "p99")
    ]
    assert min(wrong) >= 2 / 6, "bursts do not mislead whoever counts requests"


def test_a_process_that_stands_still_for_moments_is_no_worse_version() -> None:
    said = [stalls.sent_back(seed) for seed in range(4)]
    wrong = {name: sum(one[name] is not None for one in said) for name in said[0]}
    assert wrong["users who wait together"] == wrong["executions that wait together"] == 0, wrong
    assert wrong["each user's first answer"] > 0, "whom one stall hit are no evidence each"
    assert wrong["each execution"] > 0, "nor are executions that waited behind it"


def test_a_queue_that_is_seldom_empty_is_no_worse_version() -> None:
    said = [queues.sent_back(seed, busy=0.9, stalls=False) for seed in range(8)]
    wrong = {name: sum(one[name] is not None for one in said) for name in said[0]}
    assert wrong["as the product counts"] <= 1, wrong
    assert wrong["those that wait together"] >= 3, "a long queue is one, for as long as it is"
    slower = queues.sent_back(1, busy=0.8, stalls=False, slowdown=1.5)
    assert slower["as the product counts"] is not None


def test_a_machine_that_is_slower_for_a_while_is_no_worse_version() -> None:
    said = [neighbours.sent_back(seed, swing=0.1, lasts_s=60.0) for seed in range(12)]
    wrong = {name: sum(one[name] is not None for one in said) for name in said[0]}
    assert wrong["as the product counts"] <= 2, wrong
    assert wrong["each execution"] >= 5, wrong
    slower = neighbours.sent_back(1, swing=0.05, lasts_s=20.0, slowdown=1.5)
    assert slower["as the product counts"] is not None


def test_a_worse_version_goes_back_before_a_fixed_threshold_sees_it() -> None:
    said = campaign(BY_NAME["errors 1 to 3 %"], 4, processes=1)
    ours, theirs = (summary(said[f"{name}, errors"]) for name in ("Headrace", "Flagger's example"))
    assert ours["rolled_back"] == 1
    assert ours["requests_p50"] < theirs["requests_p50"]
    # About five and a half requests share an execution.
    expected = units_needed(
        Criterion("errors", 0.005), rates=(0.03, 0.01), share=0.5, alpha=0.05, ways=1
    )
    assert 0.3 < ours["requests_p50"] / 5.5 / expected < 1.5
