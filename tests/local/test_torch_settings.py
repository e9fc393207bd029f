"""What model.yaml says under ``torch``, with PyTorch itself: results, compiles and refusals."""

import inspect
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cuda_made_up import PromptCuda
from tests.exported_programs import LARGEST, picture, write
from torch._dynamo.utils import counters

from headrace import Batch, Model, Tensor
from headrace.backends.pytorch.forward import datatype
from headrace.backends.pytorch.preparing import to_run
from headrace.backends.pytorch.program import ExportedProgram
from headrace.cli import checking
from headrace.config.torch import PyTorch
from headrace.errors import ModelInvalid
from headrace.execution import lanes, threads, trial
from headrace.execution.opening import context, open_model
from headrace.execution.outputs import to_host, verify
from headrace.models import Context
from headrace.repository.folder import find

BATCHING = f"batching: {{max_rows: {LARGEST}}}\n"


def loaded(models: Path) -> Model:
    (version,) = find(models)
    model = open_model(version)
    model.load(context(version))
    return model


def pixels(rows: int) -> Any:
    given = np.random.default_rng(rows).standard_normal((rows, 3, 8, 8)).astype(np.float32)
    given.flags.writeable = False
    return given


def ask(model: Model, given: Any) -> dict[str, Any]:
    """Return what a lane would answer, checked as it is there."""
    with lanes.inference_mode():
        rows = trial.MadeUpRows(len(given), {"pixels": given})
        outputs = to_host(model.predict(Batch(rows)))
    verify(model.outputs, len(given), outputs)
    return outputs


def eager(given: Any) -> Any:
    with torch.inference_mode():
        share, _ = picture().module()(torch.from_numpy(given.copy()))
    return share.numpy()


def agree(model: Model, rows: Sequence[int], tolerance: float) -> bool:
    """Return whether the model answers as the network does, and the best of what it says."""
    answers = [(ask(model, given), eager(given)) for given in map(pixels, rows)]
    return all(
        np.allclose(outputs["share"], share, atol=tolerance, rtol=0)
        and np.array_equal(outputs["best"], outputs["share"].argmax(1, keepdims=True))
        for outputs, share in answers
    )


@pytest.mark.parametrize(
    ("torch_yaml", "tolerance"),
    [
        ("{}", 1e-6),
        ("{memory_format: channels_last}", 1e-5),
        ("{autocast: bfloat16}", 0.02),
        ("{autocast: float16}", 0.002),
        ("{compile: default}", 1e-5),
        ("{compile: default, autocast: bfloat16, memory_format: channels_last}", 0.02),
        ("{compile: max-autotune-no-cudagraphs}", 1e-5),
    ],
)
def test_the_results_are_those_of_the_network_in_the_datatypes_that_were_declared(
    tmp_path: Path, torch_yaml: str, tolerance: float
) -> None:
    model = loaded(write(tmp_path, picture(), f"{BATCHING}torch: {torch_yaml}"))
    assert agree(model, (1, 2, 15, 16, LARGEST), tolerance)


def test_autocast_does_compute_in_what_was_asked_for(tmp_path: Path) -> None:
    model = loaded(write(tmp_path, picture(), f"{BATCHING}torch: {{autocast: bfloat16}}"))
    assert not agree(model, [4], 1e-6)


@pytest.mark.parametrize(
    ("batching", "sizes", "torch_yaml"),
    [
        (f"{{max_rows: {LARGEST}}}", range(1, LARGEST + 1), "{compile: default}"),
        (
            "{max_rows: 16, allowed_rows: [2, 5, 16]}",
            (16, 2, 5),
            "{compile: default, autocast: bfloat16}",
        ),
        ("{max_rows: 1}", (1,), "{compile: default}"),
    ],
)
def test_no_size_of_a_batch_compiles_once_a_version_has_loaded(
    tmp_path: Path, batching: str, sizes: Sequence[int], torch_yaml: str
) -> None:
    yaml = f"batching: {batching}\ntorch: {torch_yaml}"
    before = counters["stats"]["unique_graphs"]
    model = loaded(write(tmp_path, picture(), yaml))
    prepared = counters["stats"]["unique_graphs"]
    assert prepared > before
    used = threads.of_torch()
    answered: list[Any] = []

    def lane() -> None:
        threads.use(1, used)
        answered.extend(ask(model, pixels(rows)) for rows in (*sizes, *sizes))

    # Threads have counts of threads and modes of their own, which compiled code is bound to.
    thread = threading.Thread(target=lane)
    thread.start()
    thread.join(60)
    assert len(answered) == 2 * len(sizes)
    assert counters["stats"]["unique_graphs"] == prepared


def test_a_size_that_is_alone_with_its_kernel_is_compiled_too(tmp_path: Path) -> None:
    yaml = "batching: {max_rows: 16}\ntorch: {compile: default}"
    model = loaded(write(tmp_path, picture(largest=16), yaml))
    prepared = counters["stats"]["unique_graphs"]
    assert agree(model, range(1, 17), 1e-5)
    assert counters["stats"]["unique_graphs"] == prepared


def test_a_version_that_is_compiled_passes_its_check(tmp_path: Path) -> None:
    yaml = "batching: {max_rows: 6, allowed_rows: [3, 6]}\ntorch: {compile: default}"
    (checked,) = checking.check(write(tmp_path, picture(), yaml))
    assert not checked.error
    assert [one.rows for one in checked.trials] == [3, 6]


def test_a_machine_without_a_compiler_is_told_what_is_missing(tmp_path: Path) -> None:
    models = write(tmp_path, picture(), f"{BATCHING}torch: {{compile: default}}")
    lacking = {"cpp.cxx": "no-such-g++", "force_disable_caches": True}
    with (
        torch._inductor.config.patch(lacking),
        pytest.raises(ModelInvalid, match=r"needs a C\+\+ compiler on this machine, and there"),
    ):
        loaded(models)


@pytest.mark.parametrize(
    ("program", "torch_yaml", "said"),
    [
        (
            {"decomposed": True},
            "{memory_format: channels_last}",
            "1 rows cannot run with torch: .memory_format: channels_last.: view size is not compat",
        ),
    ],
)
def test_what_cannot_run_as_asked_does_not_load(
    tmp_path: Path, program: dict[str, bool], torch_yaml: str, said: str
) -> None:
    models = write(tmp_path, picture(**program), f"{BATCHING}torch: {torch_yaml}")
    with pytest.raises(ModelInvalid, match=said):
        loaded(models)


FIXED, ANY_SIZE = Tensor("x", "FP32", [3]), Tensor("x", "FP32", [-1])


@pytest.mark.parametrize(
    ("settings", "tensor", "rows"),
    [
        ({}, FIXED, []),
        ({"autocast": "bfloat16"}, FIXED, [1]),
        ({"autocast": "bfloat16"}, ANY_SIZE, []),
        ({"memory_format": "channels_last"}, FIXED, [1]),
        ({"cuda_graphs": True}, FIXED, [1]),
        ({"compile": "default"}, FIXED, [8, 4, 1]),
        ({"compile": "default", "cuda_graphs": True}, FIXED, [8, 4, 1]),
    ],
)
def test_what_runs_otherwise_than_it_was_written_runs_before_there_is_a_request(
    settings: dict[str, Any], tensor: Tensor, rows: list[int]
) -> None:
    assert list(to_run(PyTorch.model_validate(settings), [tensor], (1, 4, 8))) == rows


class Sums(torch.nn.Module):  # type: ignore[misc]
    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return words.sum(1, keepdim=True)


WORDS = """
inputs:
  - {name: words, datatype: FP32, shape: [-1]}
outputs:
  - {name: sum, datatype: FP32, shape: [1]}
"""


def sums() -> Any:
    sizes = {0: torch.export.Dim("rows", max=64), 1: torch.export.Dim("words", max=64)}
    return torch.export.export(Sums(), (torch.ones(2, 3),), dynamic_shapes=(sizes,))


def test_a_layout_without_weights_that_have_it_is_refused(tmp_path: Path) -> None:
    models = write(tmp_path, sums(), "torch: {memory_format: channels_last}", WORDS)
    with pytest.raises(ModelInvalid, match="is for weights of four axes, and the program has none"):
        loaded(models)


def test_inputs_of_any_size_may_be_computed_in_another_datatype(tmp_path: Path) -> None:
    (checked,) = checking.check(
        write(tmp_path, sums(), "torch: {autocast: bfloat16}\nbatching: {max_rows: 2}", WORDS)
    )
    assert not checked.error


@pytest.mark.parametrize("mode", [False, "default"])
def test_captured_batches_are_answered_as_others(tmp_path: Path, mode: Any) -> None:
    """With a GPU that is none, whose replays compute from what was copied in."""
    folder = write(tmp_path, picture(), "") / "net" / "1"
    device = PromptCuda(lambda one, rows: torch.zeros(rows, *one.shape, dtype=datatype(one)))
    model = ExportedProgram(
        [Tensor("pixels", "FP32", [3, 8, 8])],
        [Tensor("share", "FP32", [5]), Tensor("best", "INT64", [1])],
        PyTorch(cuda_graphs=True, compile=mode, memory_format="channels_last"),
        (1, 4, 16),
        lambda device_name: device,
    )
    model.load(Context("net", 1, folder))
    assert device.captured == [16, 4, 1]
    compiled = counters["stats"]["unique_graphs"]
    assert agree(model, (16, 1, 4, 16), 1e-5)
    assert counters["stats"]["unique_graphs"] == compiled


def test_pytorch_captures_as_the_gpu_asks_it_to() -> None:
    known = inspect.signature(torch.cuda.graph.__init__).parameters
    assert {"pool", "stream", "capture_error_mode"} <= set(known)
