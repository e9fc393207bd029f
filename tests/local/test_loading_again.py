"""A hundred loads and unloads in one process leave no growth, whatever runs the version."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.onnx_files import brightest, write

#: Loads and unloads what is in a folder so many times, and prints the memory after each: kB.
CYCLES = """
import gc, json, sys
from pathlib import Path
import headrace_core
from headrace.execution.runner import Runner
from headrace.repository.folder import find

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])

host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
(version,) = find(Path(sys.argv[1]))
seen = []
for _ in range(int(sys.argv[2])):
    runner = Runner(version, host, lambda line: None, lambda standing: None, threads=1)
    assert runner.start(), runner.standing.reason
    assert runner.stop(10)
    del runner
    gc.collect()
    if not seen:
        gc.freeze()  # libraries are not looked through a hundred times
    seen.append(resident())
print(json.dumps(seen))
"""
#: Of what is loaded. One that stayed would be seen a hundred times.
MIB = 4
NUMBERS = MIB << 18
PYTHON = f"""
import numpy as np
from headrace import Model, Tensor

class Weights(Model):
    inputs = [Tensor("x", "FP32", [1])]
    outputs = [Tensor("y", "FP32", [1])]

    def load(self, context):
        self.weights = np.ones({NUMBERS}, np.float32)

    def predict(self, batch):
        return {{"y": batch["x"] * self.weights[:1]}}
"""
TORCH = """
inputs: [{name: x, datatype: FP32, shape: [1]}]
outputs: [{name: y, datatype: FP32, shape: [1]}]
"""
STEPS = """
preprocess:
  - preprocess_images: {input: file, output: pixels, height: 2, width: 2}
postprocess:
  - softmax_top_k: {input: score, probabilities: share, classes: colour, k: 1}
"""


class Weights(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.ones(NUMBERS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weights[:1]


def of_python(models: Path) -> None:
    (models / "python" / "1").mkdir(parents=True)
    (models / "python" / "1" / "model.py").write_text(PYTHON)


def of_torch(models: Path) -> None:
    (models / "torch" / "1").mkdir(parents=True)
    rows = torch.export.Dim("rows", min=1, max=64)
    program = torch.export.export(Weights(), (torch.ones(2, 1),), dynamic_shapes=({0: rows},))
    torch.export.save(program, models / "torch" / "1" / "net.pt2")
    (models / "torch" / "model.yaml").write_text(TORCH)


def of_onnx(models: Path) -> None:
    write(models, "onnx", brightest(), STEPS)


@pytest.mark.parametrize("make", [of_python, of_torch, of_onnx])
def test_what_was_unloaded_leaves_nothing(make: object, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CYCLES, str(tmp_path), "100"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    seen = json.loads(done.stdout)
    # Allocators have what they keep after some. PyTorch's programs are in circles, which it would
    # leave to the collector without Headrace, too; 80 that stay are 320 MiB.
    assert max(seen[-10:]) - max(seen[:20]) < 4 * MIB << 10, seen
