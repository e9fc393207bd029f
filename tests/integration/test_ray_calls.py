"""Models that call others, each in a process of its own, on Ray."""

from typing import Any

import pytest
from tests.calls.asking import CASES, check, repository
from tests.integration.conftest import Run, Serve


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return serve(repository(tmp_path_factory.mktemp("models")))


@pytest.mark.parametrize(("parameters", "expected"), CASES)
def test_a_model_asks_another_one(run: Run, parameters: dict[str, Any], expected: Any) -> None:
    check(run.http, parameters, expected)
