"""Requests that a server keeps, as `headrace why` shows them."""

import re
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.requests import SEALED, prediction_lines, request_lines, request_rows

ROOT = Path(__file__).parents[2]
KEPT: dict[str, Any] = {
    "unix_ms": 1,
    "id": "mine/1",
    "call": 12,
    "model": "photos",
    "version": 2,
    "rows": 1,
    "priority": 2,
    "priorities": 3,
    "deadline_ms": 100.0,
    "tries": 2,
    "parts": 1,
    "end": "answered",
    "note": "",
    "total_ms": 1234.5,
    "queue_ms": 1200.25,
    "input_ms": 0.5,
    "model_ms": 30.0,
    "output_ms": 0.25,
    "batch_rows": 12,
    "sealed": "full",
    "arm": None,
}


def test_a_request_is_told_as_a_person_reads_it() -> None:
    lines = list(request_lines(KEPT))
    assert lines[0].startswith("request mine/1 (call 12) of photos/2 at ")
    assert [line.strip() for line in lines[1:]] == [
        "asked     1 row, priority 2 of 3, wanted within 100 ms",
        "took      1.23 s from its arrival to its end",
        "waited    1.2 s in gateway and host (sent 2 times)",
        "ran       in a batch of 12 rows; it was full",
        "computed  30.8 ms: gathering 0.5 ms, the model 30 ms, cutting 0.25 ms",
    ]
    of_rollout = {**KEPT, "arm": {"rollout": 3, "name": "candidate"}}
    assert "  was of    rollout 3, whose candidate this is" in request_lines(of_rollout)
    refused = {**KEPT, "id": "", "tries": 0, "batch_rows": 0, "note": "the queue is full"}
    lines = list(request_lines({**refused, "end": "overloaded", "deadline_ms": None}))
    assert lines[0].startswith("call 12 of photos/2 at ")
    assert lines[0].endswith(": overloaded")
    assert "  told      the queue is full" in lines
    assert lines[-1] == "  never sent to a host"
    header, row = request_rows([{**refused, "sealed": ""}])
    assert header.split()[:3] == ["TIME", "ID", "CALL"]
    assert row.endswith("the queue is full")
    assert "none yet" in "\n".join(request_rows([]))


def test_every_reason_that_the_core_gives_has_words() -> None:
    source = (ROOT / "runtime" / "core" / "src" / "base" / "call.rs").read_text()
    reasons = source.partition("Sealed:")[2].partition("}")[0]
    assert set(re.findall(r'= \d+ "(\w+)"', reasons)) == set(SEALED)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ([281.0, 2.5], "label     281, 2.5"),
        ([], "label     none, only scores of its sender"),
        (None, "label     none, or forgotten; one may come until 1970-"),
    ],
)
def test_a_prediction_is_told_with_its_label(label: list[float] | None, told: str) -> None:
    made = {
        "model": "photos",
        "version": 2,
        "unix_ms": 1,
        "until_unix_ms": 3_600_001,
        "rows": [{"number": 281.0, "score": 0.4}, {"number": 2.5, "score": None}],
        "arm": {"rollout": 3, "name": "candidate"},
        "label": label,
    }
    first, *lines = prediction_lines(made)
    assert first.startswith("a prediction of photos/2, made 1970-")
    assert [line.strip() for line in lines[:3]] == [
        "was of    rollout 3, whose candidate this is",
        "answered  281 with a score of 0.4",
        "answered  2.5",
    ]
    assert lines[3].strip().startswith(told)
