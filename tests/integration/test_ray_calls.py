"""Models that call others, each in processes of its own, on Ray."""

import os
import re
import signal
from contextlib import suppress
from typing import Any

import pytest
from tests.calls.asking import CASES, check, repository, told
from tests.integration.conftest import Run, Serve, serving, until


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = repository(tmp_path_factory.mktemp("models"))
    (models / "back" / "model.yaml").write_text("placement: {replicas: {min: 2, max: 2}}\n")
    # In one process, as `front` and `back` are not.
    for name in ("middle", "parts"):
        with (models / name / "model.yaml").open("a") as yaml:
            yaml.write("placement: {isolation: shared}\n")
    return serve(models)


@pytest.mark.parametrize(("parameters", "expected"), CASES)
def test_a_model_asks_another_one(run: Run, parameters: dict[str, Any], expected: Any) -> None:
    check(run.http, parameters, expected)


def doubled(run: Run) -> int:
    """What both hosts of `back` have counted, of which the page tells the sum."""
    found = re.search(r"^doubled_rows_total (\d+)$", run.page(f"{run.metrics}/metrics"), re.M)
    return int(found[1]) if found else 0


def test_what_hosts_count_adds_up_whichever_gateway_is_at_work(run: Run) -> None:
    before = doubled(run)
    for _ in range(8):
        told(run.http, how="many")
    until(lambda: doubled(run) >= before + 64, 10, "the page has what both counted")
    (gateway,) = serving(run)
    os.kill(gateway, signal.SIGKILL)
    until(lambda: answers(run), 10, "models are asked through the next gateway")
    until(lambda: doubled(run) >= before + 65, 10, "the next one was told")


def answers(run: Run) -> bool:
    with suppress(Exception):
        return told(run.http) == [[[[2.0, 4.0]], ["back"]]]
    return False
