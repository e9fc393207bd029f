"""One CPU budget, seen from the models of a server."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Answers with the threads that PyTorch has in its lane.
ASKS = """
import torch
return {"y": np.full((batch.rows, 4), torch.get_num_threads(), np.float32)}
"""
BEGINS = "class One(Model):"


@pytest.mark.parametrize(("own", "told"), [(2, None), (1, "2")])
def test_each_version_has_its_threads_and_the_server_says_so(
    serve: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    own: int,
    told: str | None,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    write("first", ASKS, f"placement: {{threads: {own}}}")
    models = write("second", ASKS)
    write("third", ASKS)
    # Imports PyTorch as it loads, and wants another number.
    source = models / "third" / "1" / "model.py"
    wants = f"import torch\ntorch.set_num_threads(7)\n\n{BEGINS}"
    source.write_text(source.read_text().replace(BEGINS, wants))
    server = serve(models)
    server.wait_ready()
    status = json.loads(server.command("status", "--json"))
    known = {one["name"]: one["versions"][0]["threads"] for one in status["models"]}
    shared = known["second"]
    assert known == {"first": own, "second": shared, "third": shared}
    if told is not None:
        assert shared == int(told)
    else:
        assert shared + status["io_threads"] <= max(2, status["cpus"])
    for _ in range(2):
        for model, count in (("first", own), ("second", shared), ("third", 7)):
            # MKL goes no further than the machine's cores, unless it is told by a call.
            count = count if model == "third" else min(count, status["cpus"])
            assert server.post(model, [0.0] * 4)[1]["outputs"][0]["data"] == [count] * 4, model
    assert f"threads: {status['io_threads']} thread" in server.output()
    assert re.search(rf"first/1: ready, .*; 1 lane of {own} thread", server.output())
    assert server.end() == 0


def test_a_count_that_is_none_is_refused_at_the_start(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    models = write("asks", ASKS)
    for engine in ("local", "ray"):
        command = [sys.executable, "-m", "headrace", "serve", str(models), "--engine", engine]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False, timeout=60)
        assert done.returncode == 1
        assert b"OMP_NUM_THREADS is 'many': expected a count of threads" in done.stderr
