"""`headrace why` on a server that answers and refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tests.local.conftest import LocalServer, serving

MODEL = """
import time
from headrace import Model, Tensor
class Slow(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]
    def load(self, context): pass
    def predict(self, batch):
        time.sleep(0.02)
        return {"y": batch["x"]}
"""
ASKED = {"x-headrace-timing": "1"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with serving(tmp_path, "slow", MODEL) as one:
        yield one


def test_a_request_that_asks_for_it_is_kept_and_so_is_one_that_failed(server: LocalServer) -> None:
    for name, module, address in (
        ("over/http", tritonclient.http, server.http),
        ("over grpc", tritonclient.grpc, server.grpc),
    ):
        with module.InferenceServerClient(address) as client:
            tensor = module.InferInput("x", [3, 4], "FP32")
            tensor.set_data_from_numpy(np.zeros((3, 4), np.float32))
            client.infer("slow", [tensor], request_id=name, headers=dict(ASKED))  # it adds its own
            client.infer("slow", [tensor], request_id="not kept")
            with pytest.raises(Exception, match=r"deadline|would be late|busy"):
                client.infer("slow", [tensor], request_id=f"late {name}", timeout=1000)
    said = server.command("why")
    assert "over/http" in said
    assert "not kept" not in said
    for name in ("over/http", "over grpc"):
        said = server.command("why", name)
        assert said.startswith(f"request {name} (call ")
        assert "of slow/1 at" in said
        assert "asked     3 rows, without a deadline" in said
        assert "in a batch of 3 rows" in said
        (late,) = map(json.loads, server.command("why", f"late {name}", "--json").splitlines())
        assert late["end"] in ("expired", "overloaded")
        assert (late["deadline_ms"], late["batch_rows"]) == (1.0, 0)
    assert "no request 'not kept' is kept" in server.command("why", "not kept", code=1)
    assert server.end() == 0
