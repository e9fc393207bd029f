"""What programs have of answers that they label later."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferResponse

from headrace import client
from headrace.cli import console_client
from headrace.client import prediction_id, send_labels
from headrace.feedback.joining import Outcome

NONE = dict.fromkeys((one.value for one in Outcome), 0)


class Result:
    """As tritonclient's."""

    def __init__(self, response: Any) -> None:
        self.response = response

    def get_response(self) -> Any:
        return self.response


def of_grpc(text: str) -> Any:
    return SimpleNamespace(
        parameters={"headrace_prediction_id": SimpleNamespace(string_param=text)}
    )


@pytest.mark.parametrize(
    ("answer", "want"),
    [
        (Result({"outputs": [], "parameters": {"headrace_prediction_id": "a"}}), "a"),
        (Result({"outputs": []}), None),
        (Result({"outputs": [], "parameters": {}}), None),
        (Result(of_grpc("a")), "a"),
        (of_grpc("a"), "a"),
        ({"parameters": {"headrace_prediction_id": "a"}}, "a"),
        ({"X-Headrace-Prediction-Id": "a"}, "a"),
        ({"x-headrace-version": "1"}, None),
        ([("X-Headrace-Prediction-Id", "a")], "a"),
        ((("x-headrace-version", "1"),), None),
        (ModelInferResponse(), None),
    ],
)
def test_an_id_is_found_in_answers_of_every_client(answer: Any, want: str | None) -> None:
    assert prediction_id(answer) == want


def test_an_answer_is_not_changed_by_a_look_at_it() -> None:
    answer = ModelInferResponse()
    assert prediction_id(answer) is None
    assert answer == ModelInferResponse()


def test_labels_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def post(url: str, path: str, body: Any, **_: Any) -> dict[str, Any]:
        sent.append(len(body["feedback"]))
        return {"joined": sent[-1] - 1, "twice": 1, "first": {"twice": 0}}

    monkeypatch.setattr(client, "post", post)
    labels = ({"prediction_id": str(at), "label": 1} for at in range(2001))
    assert send_labels(labels) == NONE | {"joined": 1998, "twice": 3}
    assert sent == [1000, 1000, 1]
    assert send_labels([]) == NONE


def test_a_label_may_be_a_number_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def send(request: Any, _: float) -> tuple[bytes, Any]:
        sent.extend(json.loads(request.data)["feedback"])
        return b'{"joined": 1, "first": {}}', None

    monkeypatch.setattr(console_client, "send", send)
    for label in (np.int64(3), np.float32(0.5), np.array([1, 2])):
        send_labels([{"prediction_id": "a", "label": label, "scores": {"y": np.float64(2)}}])
    assert [one["label"] for one in sent] == [3, 0.5, [1, 2]]
    with pytest.raises(TypeError, match=r"texts, lists and mappings in a label, not set: \{1\}"):
        send_labels([{"prediction_id": "a", "label": {1}}])
