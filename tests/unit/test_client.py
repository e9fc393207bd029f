"""What programs have of answers that they label later."""

from types import SimpleNamespace
from typing import Any

import pytest
from tritonclient.grpc.service_pb2 import ModelInferResponse

from headrace import client
from headrace.client import prediction_id, send_labels


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

    def post(url: str, path: str, body: Any) -> dict[str, Any]:
        sent.append(len(body["feedback"]))
        return {"joined": sent[-1] - 1, "twice": 1, "first": {"twice": 0}}

    monkeypatch.setattr(client, "post", post)
    labels = ({"prediction_id": str(at), "label": 1} for at in range(2001))
    assert send_labels(labels) == {"joined": 1998, "twice": 3}
    assert sent == [1000, 1000, 1]
    assert send_labels([]) == {}
