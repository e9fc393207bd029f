"""Models that call others, in one process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton_http
from tests.calls.asking import MODELS, told
from tests.local.conftest import LocalServer, ready


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with ready(MODELS, tmp_path_factory.mktemp("state")) as running:
        yield running


def test_a_model_asks_another_one(server: LocalServer) -> None:
    assert told(server.http, "front") == [[[[2.0, 4.0]], ["back"]]]
