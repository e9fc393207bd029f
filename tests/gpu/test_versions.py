"""What only a GPU can show of versions: their answers, what they take of it, and who makes room."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from headrace_core import gpu_memory
from tests.kernels.implementations import no_device
from tests.local.conftest import LocalServer, ready

from headrace.control.residency import QUIET_S

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
TENSORS = """
inputs: [{name: x, datatype: FP32, shape: [4]}]
outputs: [{name: y, datatype: FP32, shape: [4]}]
batching: {max_rows: 8, allowed_rows: [1, 4, 8]}
placement: {gpus: 1}
"""
#: Takes MiB of its device when it loads, and more for each row of a batch.
TAKER = """
import torch
from headrace import Batch, Context, Model, Tensor

class Taker(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None:
        self.row = context.parameters["row"]
        count = context.parameters["weights"] << 18
        self.weights = torch.ones(count, dtype=torch.float32, device=context.device)

    def predict(self, batch: Batch):
        x = batch.tensor("x")
        beside = torch.ones((len(x), self.row << 18), dtype=torch.float32, device=x.device)
        return {"y": x * 2 * beside[:, :1] * self.weights[0]}
"""
TWICE = [2.0, 4.0, 6.0, 8.0]


@pytest.fixture(autouse=True)
def own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of what versions took before."""
    if why := no_device():
        pytest.skip(why)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Net(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return y


def taker(models: Path, label: str, *, rows: int = 8, **given: int | str) -> None:
    """Write a version of ``weights`` MiB, and of ``row`` MiB for each row."""
    model, _, number = label.partition("/")
    folder = models / model / number
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(TAKER)
    parameters = {key: given.get(key, 1) for key in ("weights", "row")}
    rest = {key: one for key, one in given.items() if key not in parameters}
    told = "".join(f", {key}: {one}" for key, one in rest.items())
    (folder.parent / "model.yaml").write_text(
        f"batching: {{max_rows: {rows}}}\nplacement: {{gpus: 1{told}}}\n"
        f"parameters: {json.dumps(parameters)}\n"
    )


def asks(server: LocalServer, model: str) -> list[float]:
    status, answer = server.post(model, [[1, 2, 3, 4]])
    assert status == 200, answer
    found: list[float] = answer["outputs"][0]["data"]
    return found


@pytest.mark.parametrize("settings", ["{}", "{cuda_graphs: true}", "{compile: default}"])
def test_a_program_answers_as_it_does_on_the_cpu(tmp_path: Path, settings: str) -> None:
    net, models = Net().eval(), tmp_path / "models"
    folder = models / "net" / "1"
    folder.mkdir(parents=True)
    axis = torch.export.Dim("rows", min=1, max=8)
    program = torch.export.export(net, (torch.ones(2, 4),), dynamic_shapes=({0: axis},))
    torch.export.save(program, folder / "net.pt2")
    (folder.parent / "model.yaml").write_text(f"{TENSORS}torch: {settings}\n")
    dice = np.random.default_rng(0)
    with ready(models, tmp_path / "state") as server:
        for rows in (1, 3, 4, 7, 8, 2):
            given = dice.standard_normal((rows, 4)).astype(np.float32)
            status, answer = server.post("net", given.tolist(), rows)
            assert status == 200, answer
            with torch.inference_mode():
                expected = net(torch.from_numpy(given)).numpy()
            found = np.array(answer["outputs"][0]["data"]).reshape(rows, 4)
            # TF32 has ten bits behind the point.
            np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_what_was_predicted_is_within_a_tenth_of_what_is_taken(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for rows in (32, 64):
        taker(models, "m/1", rows=rows, weights=1024, row=16)
        with ready(models, tmp_path / "state") as server:
            assert asks(server, "m") == TWICE
            said = [line for line in server.output().splitlines() if "m/1 | takes" in line]
            assert said, server.output()
            assert "and not" not in said[-1], "it is told where it is more than a tenth off"


def test_a_version_that_does_not_fit_has_the_memory_of_one_that_may_go(tmp_path: Path) -> None:
    found = gpu_memory("0")
    assert found is not None
    part = int(0.4 * found[2]) >> 20
    models = tmp_path / "models"
    taker(models, "cats/1", weights=part, evictable="true")
    taker(models, "cats/2", weights=part, evictable="true")
    with ready(models, tmp_path / "state") as server:
        assert asks(server, "cats") == TWICE
        taker(models, "dogs/1", weights=part, device_memory_mib=part)
        said = server.command("load", "dogs/1", code=1)
        assert "cats/1 was asked for" in said, "nobody has asked for it for a minute at least"
        time.sleep(QUIET_S)  # noqa: TID251 - what is tested is that so long nobody asks
        assert "dogs/1: ready" in server.command("load", "dogs/1")
        assert asks(server, "cats") == asks(server, "dogs") == TWICE
        assert "made room for dogs/1" in server.command("journal")


def test_a_server_keeps_nothing_of_versions_that_have_ended(tmp_path: Path) -> None:
    models = tmp_path / "models"
    taker(models, "m/1", weights=256, row=4)
    script = str(ROOT / "load_tests" / "reloads.py")
    command = [sys.executable, script, "--models", str(models)]
    command += ["--model", "m", "--cycles", "100"]
    done = subprocess.run(
        command, env=os.environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
