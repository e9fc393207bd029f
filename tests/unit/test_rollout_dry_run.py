"""What `headrace rollout start` says before it begins anything."""

import pytest
from tests.unit.rolling import plan
from typer.testing import CliRunner

from headrace.cli import rollouts
from headrace.cli.estimating import estimate_lines
from headrace.console.forecast import Forecast, Traffic, forecast_json
from headrace.rollout.estimate import estimate


def test_one_against_itself_ends_with_its_time_which_is_never_too_little() -> None:
    first = []
    for kind in ("a/a", "a/b"):
        asked = plan(kind=kind, steps_percent=[50], max_hours=0.01, judge={"errors": {}})
        rates = {"errors": (0.01, 0.01)}
        reckoned = estimate(asked, units_per_s=10.0, rates=rates)
        found = Forecast(Traffic(10.0, 10.0, 10.0, 5.0), rates, 0.0, reckoned, ())
        told = forecast_json(asked, found) | {
            "model": "m",
            "candidate": 2,
            "baseline": 1,
            "plan": asked.model_dump(mode="json"),
            "resources": [],
        }
        assert told["fits"] is (kind == "a/a")
        first.append(next(estimate_lines(told)))
    alone, other = first
    assert alone.endswith("if it is as good: it ends after 0.01 h, which are max_hours")
    assert "max_hours are 0.01, which is too little" in other


@pytest.mark.parametrize("label", ["m", "m/0", "m/00"])
def test_a_candidate_has_a_number_from_1_on(label: str) -> None:
    done = CliRunner().invoke(rollouts.app, ["start", label])
    assert done.exit_code == 2
    assert "versions begin with 1" in " ".join(done.output.replace("│", " ").split())
