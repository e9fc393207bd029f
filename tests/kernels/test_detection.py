"""`suppress_boxes`: non-maximum suppression, as torchvision does it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.implementations import Run
from tests.kernels.shim.machine import Shim
from torchvision.ops import nms

from headrace_kernels.detection.boxes import CAPACITY, RaggedBoxes, Suppression
from headrace_kernels.detection.launcher import suppress_boxes
from headrace_kernels.detection.reference import suppress_boxes as reference

KERNEL = "suppress_boxes"

NAN, INFINITY = float("nan"), float("inf")


def detections(counts: list[int], *, classes: int = 3, seed: int = 0) -> RaggedBoxes:
    """Return boxes that overlap much, with few scores, so that many are equal."""
    dice = np.random.default_rng(seed)
    total = sum(counts)
    corners = dice.uniform(0, 60, (total, 2))
    boxes = np.concatenate([corners, corners + dice.uniform(5, 40, (total, 2))], 1)
    return RaggedBoxes(
        boxes.astype(np.float32),
        (dice.integers(0, 50, total) / 50).astype(np.float32),
        dice.integers(0, classes, total).astype(np.int32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def same(run: Run, boxes: RaggedBoxes, suppression: Suppression) -> list[list[int]]:
    """Return what ``run`` keeps of each image, once it is what the reference keeps."""
    indices, counts = run("suppress_boxes", boxes, suppression)
    expected = reference(boxes, suppression)
    assert (indices.dtype, counts.dtype) == (np.int64, np.int32)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_array_equal(counts, expected[1])
    return [row[:count].tolist() for row, count in zip(indices, counts, strict=True)]


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.9])
def test_what_is_kept_is_what_torchvision_keeps_class_by_class(overlap: float, run: Run) -> None:
    boxes = detections([0, 1, 7, 300, 900])
    dice = np.random.default_rng(1)
    boxes = replace(boxes, scores=dice.permutation(len(boxes.scores)).astype(np.float32))
    kept = same(run, boxes, Suppression(overlap=overlap, most=CAPACITY))
    for image, mine in enumerate(kept):
        part = slice(boxes.offsets[image], boxes.offsets[image + 1])
        corners, scores, kinds = boxes.boxes[part], boxes.scores[part], boxes.classes[part]
        theirs: list[int] = []
        for kind in np.unique(kinds):
            (of_it,) = np.nonzero(kinds == kind)
            found = nms(torch.from_numpy(corners[of_it]), torch.from_numpy(scores[of_it]), overlap)
            theirs += of_it[found.numpy()].tolist()
        assert mine == sorted(theirs, key=lambda at: -scores[at])


def test_a_box_as_good_as_another_comes_after_it(run: Run) -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    boxes = RaggedBoxes(
        np.array([box, box, [20, 20, 30, 30], box], np.float32),
        np.array([0.5, 0.5, 0.5, 0.5], np.float32),
        np.array([0, 0, 0, 1], np.int32),
        np.array([0, 4], np.int64),
    )
    assert same(run, boxes, Suppression(overlap=0.5)) == [[0, 2, 3]]
    assert same(run, boxes, Suppression(overlap=1.0)) == [[0, 1, 2, 3]]
    assert same(run, boxes, Suppression(overlap=0.5, most=2)) == [[0, 2]]
    better = replace(boxes, scores=np.array([-0.0, 0.0, 0.5, 0.9], np.float32))
    assert same(run, better, Suppression(overlap=0.5)) == [[3, 2, 0]]
    assert same(run, better, Suppression(overlap=0.5, score=0.5)) == [[3]]


def test_nan_and_infinity_have_a_place(run: Run) -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    boxes = RaggedBoxes(
        np.array([box, [NAN, 0, 10, 10], box, [-INFINITY, 0, INFINITY, 9], box, box], np.float32),
        np.array([NAN, 0.9, 0.8, 0.7, -INFINITY, INFINITY], np.float32),
        np.zeros(6, np.int32),
        np.array([0, 6], np.int64),
    )
    assert same(run, boxes, Suppression(overlap=0.5)) == [[5, 1, 3]]
    assert same(run, boxes, Suppression(overlap=0.5, score=0.85)) == [[5, 1]]


@pytest.mark.parametrize("count", [1024, 1025, 2049, 5000])
@pytest.mark.parametrize("rising", [True, False])
def test_of_many_boxes_the_best_1024_are_looked_at(count: int, rising: bool, run: Run) -> None:
    boxes = detections([count, 3], classes=40)
    order = np.arange(count + 3, dtype=np.float32)
    boxes = replace(boxes, scores=order if rising else -order)
    (many, _) = same(run, boxes, Suppression(overlap=0.5, most=CAPACITY))
    assert many[0] == (count - 1 if rising else 0)
    assert 100 < len(many) < CAPACITY


@pytest.mark.parametrize("offsets", [[0, 99], [-1, 2], [5, 2], [-(2**63), 2**63 - 1], [9, 9]])
def test_an_image_whose_boxes_do_not_lie_inside_has_none(offsets: list[int], run: Run) -> None:
    boxes = replace(detections([8]), offsets=np.array([*offsets, 8], np.int64))
    assert same(run, boxes, Suppression(overlap=0.5))[0] == []


def test_a_batch_may_be_empty_or_of_256(run: Run) -> None:
    assert same(run, detections([]), Suppression(overlap=0.5)) == []
    assert same(run, detections([0]), Suppression(overlap=0.5)) == [[]]
    counts = np.random.default_rng(2).integers(0, 30, 256).tolist()
    same(run, detections(counts), Suppression(overlap=0.4, most=5))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_boxes(run: Run, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 70), max_size=3))
    boxes = detections(counts, seed=data.draw(st.integers(0, 99)))
    suppression = Suppression(
        overlap=data.draw(st.floats(0, 1)),
        score=data.draw(st.sampled_from([-INFINITY, 0.0, 0.5])),
        most=data.draw(st.integers(1, 80)),
    )
    same(run, boxes, suppression)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"boxes": np.zeros((8, 5), np.float32)}, r"boxes has shape \[8, 5\]; it must be"),
        ({"scores": np.zeros(7, np.float32)}, r"scores has shape \[7\]; it must be \[8\]"),
        ({"classes": np.zeros(8, np.int64)}, "classes is int64; it must be int32"),
        ({"offsets": np.zeros(0, np.int64)}, "offsets is empty"),
    ],
)
def test_what_cannot_be_read_is_refused(wrong: dict[str, Any], message: str, shim: Shim) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        suppress_boxes(replace(detections([8]), **wrong), Suppression(overlap=0.5), machine=shim)
    assert not shim.launches


@pytest.mark.parametrize(
    "wrong", [{"overlap": 1.5}, {"overlap": NAN}, {"score": NAN}, {"most": 0}, {"most": 1025}]
)
def test_a_suppression_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        Suppression(**{"overlap": 0.5, **wrong})


def odd(array: NDArray[Any]) -> NDArray[Any]:
    """Return ``array`` where it does not begin at a multiple of 16 bytes."""
    room = np.zeros(array.nbytes + 20, np.uint8)
    begin = (-room.ctypes.data) % 16 + 4
    there = room[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    there[...] = array
    return there


def test_boxes_that_begin_between_are_refused(shim: Shim) -> None:
    boxes = detections([8])
    with pytest.raises(ValueError, match="not at a multiple of 16"):
        suppress_boxes(
            replace(boxes, boxes=odd(boxes.boxes)), Suppression(overlap=0.5), machine=shim
        )
