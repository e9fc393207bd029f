"""`headrace infer` of a model that answers in parts."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COUNT = """
import time
import numpy as np
from headrace import Model, Tensor

class Count(Model):
    inputs = [Tensor("prompt", "BYTES", [1]), Tensor("n", "INT64", [1])]
    outputs = [Tensor("token", "INT64", [1]), Tensor("word", "BYTES", [-1])]

    def load(self, context): ...

    def stream(self, batch):
        for token in range(int(batch["n"].sum())):
            if token == 6:
                raise ValueError("six is none")
            if token:
                time.sleep(0.3)
            said = [batch["prompt"][0].tobytes(), "\\u00e9"]
            yield {"token": np.full((batch.rows, 1), token), "word": [said] * batch.rows}
"""


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.local.conftest import start

    models = tmp_path_factory.mktemp("models")
    (models / "count" / "1").mkdir(parents=True)
    (models / "count" / "1" / "model.py").write_text(COUNT)
    # Each of a full warm-up would sleep.
    (models / "count" / "model.yaml").write_text("streams: true\nbatching: {max_rows: 4}")
    running = start(models, tmp_path_factory.mktemp("state"))
    running.wait_ready()
    yield running
    assert running.end() == 0, running.output()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a request for as many parts in all, a row each; returns the file's path."""

    def one(*counts: int) -> str:
        rows = {"prompt": [["a"] for _ in counts], "n": [[count] for count in counts]}
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        return str(tmp_path / "rows.json")

    return one


def test_each_part_is_a_line_when_it_comes(counting: Any, write: Callable[..., str]) -> None:
    command = [sys.executable, "-m", "headrace", "infer", "count", write(5), "--json"]
    environment = os.environ | {"HEADRACE_URL": counting.console}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        came = [(json.loads(line), time.monotonic()) for line in running.stdout]
        assert running.wait(60) == 0
    assert [part["token"] for part, _ in came] == [0, 1, 2, 3, 4]
    assert came[-1][1] - came[0][1] > 0.3, "they were printed together"
    assert counting.command("infer", "count", write(2)).splitlines() == [
        "count/1",
        "token: 0, word: ['a', 'é']",
        "token: 1, word: ['a', 'é']",
        "2 parts",
    ]
    assert counting.command("infer", "count/1", write(0)) == "0 parts\n"


def test_what_is_made_up_asks_for_some(counting: Any) -> None:
    assert "4 parts" in counting.command("infer", "count")


def test_an_error_after_parts_is_shown_and_is_the_exit_code(
    counting: Any, write: Callable[..., str]
) -> None:
    said = counting.command("infer", "count", write(7), code=1).splitlines()
    assert said[-2] == "token: 5, word: ['a', 'é']"
    assert re.search(r"raised ValueError: six is none \[error id e-", said[-1])


def test_code_gets_the_same(counting: Any, write: Callable[..., str]) -> None:
    line = counting.command("infer", "count", write(2), "--show", "curl")
    done = subprocess.run(shlex.split(line), capture_output=True, check=True, timeout=30)
    assert done.stdout.count(b"data: {") == 2
    rows = write(1, 1)
    said = counting.command("infer", "count", rows, code=1)
    assert "has 2 rows of input 'n'" in said
    assert "`--show python` prints a client for gRPC" in said
    program = counting.command("infer", "count", rows, "--show", "python")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.startswith("token [[0]\n [0]]\nword")
    assert "token [[1]\n [1]]" in ran.stdout
