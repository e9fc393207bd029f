"""Labels as commands read them, and what they say as a person reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headrace.cli import console_client, labelling
from headrace.cli.commands import app
from headrace.config.feedback import Feedback
from headrace.errors import HeadraceError, ModelInvalid
from headrace.execution.labelling import check, facts
from headrace.models import Tensor

NOTHING = {"joined": 0, "twice": 0, "late": 0, "unknown": 0, "forged": 0, "unfit": 0}


def test_labels_go_in_pieces_with_their_lines() -> None:
    lines = ["\n", *(f'{{"label": {at}}}\n' for at in range(1001)), "  \n"]
    (read, first), (all_read, last) = labelling.pieces(lines)
    assert (read, len(first), min(first), all_read, last) == (
        *(1000, 1000, 2, 1001),
        {1002: {"label": 1000}},
    )
    assert list(labelling.pieces([])) == []
    with pytest.raises(HeadraceError, match="line 2: expected"):
        list(labelling.pieces(["{}", "{"]))


def test_sending_says_what_became_of_all_and_where_the_first_loss_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        NOTHING | {"joined": 999, "twice": 1, "first": {"twice": 7}},
        NOTHING | {"forged": 2, "first": {"forged": 1}},
    ]
    sent: list[Any] = []

    def post(url: str, path: str, body: Any) -> Any:
        sent.append((path, len(body["feedback"])))
        return answers[len(sent) - 1]

    monkeypatch.setattr(console_client, "post", post)
    file = tmp_path / "labels.jsonl"
    file.write_text("\n" + '{"prediction_id": "a", "label": 1}\n' * 1002)
    done = CliRunner().invoke(app, ["feedback", "send", str(file)])
    assert sent == [("/headrace/v1/feedback", 1000), ("/headrace/v1/feedback", 2)]
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "joined   999",
        "twice    1, the first in line 9",
        "forged   2, the first in line 1003",
    ]
    assert "1002 labels sent" in done.stderr


def test_figures_are_a_line_for_each_version_and_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    of_classes: dict[str, Any] = {
        "predictions": 4,
        "accuracy": 0.75,
        "interval": [0.2, 0.9],
        "calibration_error": 0.125,
        "mean_absolute_error": None,
        "scores": {},
    }
    of_numbers = {
        **of_classes,
        "accuracy": None,
        "interval": None,
        "calibration_error": None,
        "mean_absolute_error": 2.5,
        "scores": {"clicks": {"count": 3, "mean": 1.5}},
    }
    versions = [
        {"version": 1, **of_classes, "segments": {"de": of_classes}},
        {"version": 2, **of_numbers, "segments": {}},
    ]
    found = {"model": "m", "versions": versions}
    monkeypatch.setattr(console_client, "get", lambda *_: found)
    shown = CliRunner().invoke(app, ["feedback", "show", "m"]).stdout.splitlines()
    assert [line.split() for line in shown] == [
        ["VERSION", "SEGMENT", "LABELLED", "ACCURACY", "95", "%", "CALIBRATION", "ERROR"],
        ["m/1", "4", "75.00", "%", "20.00", "to", "90.00", "12.50", "%"],
        ["de", "4", "75.00", "%", "20.00", "to", "90.00", "12.50", "%"],
        ["m/2", "4", "2.5"],
        "m/2: clicks 1.5 in the mean of 3".split(),
    ]
    as_json = CliRunner().invoke(app, ["feedback", "show", "m", "--json"]).stdout
    assert json.loads(as_json) == found


def test_labels_are_compared_with_an_output_that_can_be() -> None:
    scores, text = Tensor("scores", "FP32", [3]), Tensor("text", "BYTES", [1])
    box, number = Tensor("box", "FP32", [4, 2]), Tensor("number", "INT64", [])
    named = Feedback(output="scores", sample_percent=0.5, within_hours=9)
    check(named, [text, scores], streams=False, unbatched=False)
    assert facts(named, [text, scores]) == {"output": 1, "within_hours": 9, "share": 50}
    check(Feedback(), [number], streams=False, unbatched=False)
    assert facts(Feedback(), [number]) == {"output": 0, "within_hours": 72, "share": 10_000}
    assert facts(None, [text]) is None
    check(None, [text], streams=True, unbatched=True)
    for feedback, outputs, streams, want in [
        (Feedback(), [scores, number], False, "names none: expected one of .* scores, number"),
        (named, [number], False, "names 'scores': expected one of .* number"),
        (Feedback(), [text], False, "is BYTES"),
        (Feedback(), [box], False, r"is FP32\[4, 2\]"),
        (Feedback(), [scores], True, "not for streams"),
    ]:
        with pytest.raises(ModelInvalid, match=want):
            check(feedback, outputs, streams=streams, unbatched=False)
    with pytest.raises(ModelInvalid, match="not for batching"):
        check(named, [scores], streams=False, unbatched=True)
