"""A rollout that is decided by what people did with the answers."""

import json
from pathlib import Path

from tests.feedback.promise import call, write_models
from tests.local.callers import until
from tests.local.conftest import LocalServer, ready

from headrace.client import send_labels

PLAN = """
steps_percent: [50, 100]
judge: {values: {clicks: {low: 0, high: 5, max_loss: 0.25}}}
minimum: {units: 100, minutes: 0}
max_hours: 1
"""


def score(server: LocalServer, clicks: dict[int, float], seed: int) -> None:
    """Call both versions, and say later how often their answers were clicked."""
    labels = [
        {"prediction_id": one.prediction_id, "scores": {"clicks": clicks[one.version]}}
        for one in call(server, 200, seed)
        if one.prediction_id is not None
    ]
    told = send_labels(labels, f"http://{server.http}")
    assert told["joined"] == len(labels)


def test_scores_of_labels_send_a_version_back_and_promote_one(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    with ready(write_models(tmp_path / "models"), tmp_path / "state") as server:
        server.command("split", "m", "1=100")
        for number, (clicks, end) in enumerate(((1.0, "rolled back"), (2.5, "promoted")), start=1):
            server.command("rollout", "start", "m/2", "--plan-file", str(plan))

            def shown(number: int = number) -> dict[str, object]:
                return dict(server.get(f"{server.console}/api/rollouts/{number}")[1])

            for at in range(30):
                score(server, {1: 2.0, 2: clicks}, seed=1000 * number + at)
                if shown()["end"] is not None:
                    break
            until(lambda: shown()["end"] is not None)
            assert shown()["end"] == end
            why = f"clicks: {clicks:g} on average against 2, 0.25 less allowed"
            assert why in json.dumps(shown()["said"])
            told = server.command("rollout", "show", str(number))
            assert f"{clicks:g} on average of" in told
            if end == "rolled back":
                server.command("rollout", "release", "m/2")
