"""Triton's Python models that ask others, and count."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.local.conftest import LocalServer, ready
from tests.local.test_serving import until
from tests.local.test_triton_models import MODELS, ask

RING = "would wait for itself: this call is made for an answer that it waits for"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    for name in ("caller", "gatherer", "add_sub", "repeat"):
        shutil.copytree(MODELS / name, models / name)
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        yield running


def told(server: LocalServer, model: str, how: str) -> Any:
    answer = ask(server, model, "BYTES", HOW=np.array([[how]], object))
    return json.loads(answer.as_numpy("TOLD").item())


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("plain", [[3.0] * 4]),
        ("repeat", [0, 1, 2, 3, 4]),
        ("unlucky", ["[0]", "[1]", "thirteen [UNAVAILABLE]"]),
        ("nobody", [2, "Request for unknown model: 'nobody' is not found"]),
        ("caller", [3, f"model 'caller' version 1 {RING} (callers: caller/1)"]),
        ("thread", [[3.0] * 4]),
    ],
)
def test_a_model_of_tritons_asks_another_one(server: LocalServer, how: str, expected: Any) -> None:
    assert told(server, "caller", how) == expected


def test_a_model_of_tritons_asks_several_at_once(server: LocalServer) -> None:
    assert told(server, "gatherer", "") == [[[[2.0] * 4]] * 4, [0, 1, 2]]


def test_what_a_model_of_tritons_counts_is_on_the_page(server: LocalServer) -> None:
    def page() -> str:
        url = f"http://127.0.0.1:{server.port + 2}/metrics"
        with urllib.request.urlopen(url, timeout=30) as reply:
            text: str = reply.read().decode()
        return text

    told(server, "caller", "plain")
    until(lambda: 'calls_made{how="plain"} 2' in page(), "the page has what was counted")
    assert "# HELP calls_made Calls\n# TYPE calls_made counter\n" in page()
    assert 'calls_made{how="thread"} 1' in page()
