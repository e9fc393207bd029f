"""Steps of model.yaml: the same from the references and from the kernels' source."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.kernels.accelerator import ShimAccelerator, There

from headrace.config.processing import After, Before
from headrace.execution.outputs import to_host
from headrace.execution.trial import MadeUpRows
from headrace.models import Batch, Context, Model, Tensor
from headrace.models.batch import beside
from headrace.processing.implementation import Implementation, Launchers, References
from headrace.processing.processed import Processed

ROWS = 5
DICE = np.random.default_rng(3)
ENDS = np.array([0, 700, 700, 1900, 2000, 3000], np.int64)
AUDIO: dict[str, Any] = {
    "input": "audio",
    "output": "mel",
    "lengths": "frames",
    "rate": 16000,
    "window": 400,
    "hop": 160,
    "mels": 8,
    "frames": 6,
}
FEATURES: dict[str, Any] = {
    "numbers": "n",
    "categories": "c",
    "output": "x",
    "mean": [1.0, 2.0],
    "std": [0.5, 4.0],
    "sizes": [3, 2],
    "missing": 0.0,
}
PADDED: dict[str, Any] = {
    "input": "list",
    "output": "padded",
    "mask": "mask",
    "datatype": "INT32",
    "width": 2,
    "length": 4,
    "value": -1,
    "pad_side": "left",
    "keep": "last",
}
RANK: dict[str, Any] = {"input": "score", "probabilities": "p", "classes": "class", "k": 3}
BOXES: dict[str, Any] = {
    "boxes": "boxes",
    "scores": "scores",
    "classes": "kinds",
    "kept_boxes": "best",
    "kept_scores": "how",
    "kept_classes": "what",
    "count": "count",
    "overlap": 0.5,
    "score": 0.1,
    "most": 7,
}


class Fixed(Model):
    """Keeps what it is given, and returns what it was told to."""

    def __init__(
        self, inputs: list[Tensor], outputs: list[Tensor], returned: Mapping[str, Any]
    ) -> None:
        self.inputs, self.outputs, self._returned = inputs, outputs, returned
        self.seen: dict[str, Any] = {}

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        self.seen = {one.name: batch[one.name] for one in self.inputs}
        return self._returned


def made(tensors: list[Tensor], step: dict[str, Any], rows: MadeUpRows, at: Any) -> dict[str, Any]:
    """Return what the model sees behind a step."""
    model = Fixed(tensors, [Tensor("y", "FP32", [1])], {})
    whole = Processed(model, [Before.model_validate(step)], [], lambda _: at)
    whole.load(Context("m", 1, Path()))
    batch = Batch(rows)
    whole.predict(beside(batch, whole.prepare(batch)))
    return model.seen


def answered(
    tensors: list[Tensor], step: dict[str, Any], outputs: Mapping[str, Any], at: Any
) -> Any:
    """Return what callers get behind a step."""
    model = Fixed([Tensor("x", "FP32", [1])], tensors, outputs)
    whole = Processed(model, [], [After.model_validate(step)], lambda _: at)
    # Where they are a part of what the device does.
    whole.load(Context("m", 1, Path(), device="cuda:1"))
    rows = len(next(iter(outputs.values())))
    batch = Batch(MadeUpRows(rows, {"x": np.zeros((rows, 1), np.float32)}))
    return whole.finish(whole.predict(batch), batch)


def both(run: Callable[[Implementation], Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what each implementation makes, the kernels' in the stand-in's memory."""
    machine = ShimAccelerator()
    there = run(Launchers(machine, "cuda:1"))
    assert machine.launches
    assert {number for number, _ in machine.used} == {1}
    assert all(isinstance(one, There) for one in there.values())
    return [run(References()), to_host(there)]


def agree(one: Mapping[str, Any], other: Mapping[str, Any], **within: float) -> None:
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        tolerance = within.get(name, 0)
        expected = array.astype(np.float64)
        np.testing.assert_allclose(other[name], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("datatype", ["FP32", "FP16", "BF16"])
def test_tables_are_encoded_alike(datatype: str) -> None:
    numbers = DICE.normal(0, 3, (ROWS, 2)).astype(np.float32)
    numbers[1, 0] = np.nan
    given = {"n": numbers, "c": DICE.integers(-1, 4, (ROWS, 2)).astype(np.int32)}
    step = {"encode_features": FEATURES | {"datatype": datatype}}
    model = [Tensor("x", datatype, [7])]
    one, other = both(lambda at: made(model, step, MadeUpRows(ROWS, given), at))
    agree(one, other)
    hot = given["c"][:, :1] == [0, 1, 2]
    np.testing.assert_array_equal(one["x"][:, 2:5].astype(bool), hot)
    assert one["x"][1, 0] == 0
    expected = (numbers[0] - [1, 2]) / [0.5, 4]
    np.testing.assert_allclose(one["x"][0, :2].astype(np.float32), expected, rtol=1e-2)


@pytest.mark.parametrize("side", ["numbers", "categories"])
def test_a_table_may_have_one_side_alone(side: str) -> None:
    key = {"numbers": ("mean", "std"), "categories": ("sizes",)}[side]
    told = {name: FEATURES[name] for name in (side, "output", *key)}
    columns = 2 if side == "numbers" else 5
    given = {FEATURES[side]: np.ones((2, 2), np.float32 if side == "numbers" else np.int32)}
    model = [Tensor("x", "FP32", [columns])]
    step = {"encode_features": told}
    agree(*both(lambda at: made(model, step, MadeUpRows(2, given), at)))


def joined(name: str, flat: Any, how: str) -> MadeUpRows:
    """Return rows of different sizes as ``batching.join`` gives them."""
    rows = len(ENDS) - 1
    if how == "ragged":
        return MadeUpRows(rows, {name: flat}, offsets={name: ENDS})
    sizes = np.diff(ENDS)
    padded = np.full((rows, sizes.max(), *flat.shape[1:]), 9, flat.dtype)
    for row, (begin, end) in enumerate(pairwise(ENDS)):
        padded[row, : end - begin] = flat[begin:end]
    return MadeUpRows(rows, {name: padded}, sizes={name: sizes[:, None]})


@pytest.mark.parametrize("samples", ["FP32", "INT16"])
def test_clips_become_spectrograms_alike_however_rows_are_joined(samples: str) -> None:
    waves = np.sin(np.arange(3000) / 7) * 3000
    flat = waves.astype(np.int16) if samples == "INT16" else (waves / 32768).astype(np.float32)
    model = [Tensor("mel", "FP32", [8, 6]), Tensor("frames", "INT32", [])]
    step = {"log_mel": AUDIO | {"samples": samples}}
    found = [
        both(lambda at, how=how: made(model, step, joined("audio", flat, how), at))  # type: ignore[misc]
        for how in ("ragged", "pad")
    ]
    for one, other in found:
        agree(one, other, mel=1e-4)
    agree(found[0][0], found[1][0])
    assert found[0][0]["frames"].tolist() == [5, 0, 6, 1, 6]
    assert (found[0][0]["mel"][1] == 0).all()


def test_clips_of_one_length_need_no_join() -> None:
    audio = DICE.normal(0, 1, (2, 640)).astype(np.float32)
    model = [Tensor("mel", "FP32", [8, 6]), Tensor("frames", "INT32", [])]
    rows = MadeUpRows(2, {"audio": audio})
    one, other = both(lambda at: made(model, {"log_mel": AUDIO}, rows, at))
    agree(one, other, mel=1e-4)
    assert one["frames"].tolist() == [5, 5]


@pytest.mark.parametrize("how", ["ragged", "pad"])
def test_lists_are_padded_alike(how: str) -> None:
    flat = DICE.integers(0, 99, (3000, 2)).astype(np.int32)
    model = [Tensor("padded", "INT32", [4, 2]), Tensor("mask", "INT64", [4])]
    rows = joined("list", flat, how)
    one, other = both(lambda at: made(model, {"pad_ragged": PADDED}, rows, at))
    agree(one, other)
    np.testing.assert_array_equal(one["padded"][0], flat[696:700])
    assert (one["padded"][1] == -1).all()
    assert one["mask"].tolist() == [[1] * 4, [0] * 4, [1] * 4, [1] * 4, [1] * 4]


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP32", torch.float32), ("FP16", torch.float16), ("BF16", torch.bfloat16)],
)
def test_classes_are_ranked_alike_whatever_library_the_model_has(
    datatype: str, dtype: torch.dtype
) -> None:
    scores = torch.from_numpy(DICE.normal(0, 3, (ROWS, 9))).to(dtype).requires_grad_()
    model = [Tensor("score", datatype, [9])]
    step = {"softmax_top_k": RANK}
    one, other = [
        to_host(answered(model, step, {"score": scores}, at))
        for at in (References(), Launchers(Hosted(), "cpu"))
    ]
    agree(one, other, p=1e-6)
    likely = scores.detach().float().softmax(-1).topk(3)
    np.testing.assert_allclose(one["p"], likely.values.numpy(), atol=1e-6)


class Hosted(ShimAccelerator):
    """The stand-in for PyTorch, which knows no device but the host here."""

    def place(self, array: Any, dtype: str | None = None) -> Any:
        assert not isinstance(array, torch.Tensor) or array.dtype != torch.bfloat16
        return super().place(array, dtype)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_boxes_are_kept_alike(count: int) -> None:
    corners = DICE.uniform(0, 20, (ROWS, count, 4)).astype(np.float32)
    corners[..., 2:] += corners[..., :2]
    scores = DICE.uniform(0, 1, (ROWS, count)).astype(np.float32)
    scores[2] = 0  # nothing is found
    kinds = DICE.integers(0, 2, (ROWS, count)).astype(np.int32)
    model = [
        Tensor("boxes", "FP32", [-1, 4]),
        Tensor("scores", "FP32", [-1]),
        Tensor("kinds", "INT32", [-1]),
    ]
    outputs = {"boxes": corners, "scores": scores, "kinds": kinds}
    run = {"suppress_boxes": BOXES}
    one, other = [
        to_host(answered(model, run, outputs, at))
        for at in (References(), Launchers(ShimAccelerator(), "cuda:0"))
    ]
    agree(one, other)
    assert one["count"][2] == 0
    for row in range(ROWS):
        kept = one["count"][row]
        assert (one["what"][row, kept:] == -1).all()
        assert (one["best"][row, kept:] == 0).all()
        assert (one["how"][row, kept:] == 0).all()
        for place in range(kept):
            (at,) = np.nonzero(scores[row] == one["how"][row, place])
            np.testing.assert_array_equal(one["best"][row, place], corners[row, at[0]])
            assert one["what"][row, place] == kinds[row, at[0]]
    assert one["how"].max(initial=0) == scores.max(initial=0)
