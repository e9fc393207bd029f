"""For programs that call models and learn later what was right: ids of answers, and labels."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from headrace.cli.console_client import DEFAULT_URL, post

#: As an answer's header, and as its parameter.
HEADER: Final = "x-headrace-prediction-id"
PARAMETER: Final = "headrace_prediction_id"
#: What may become of a label.
OUTCOMES: Final = ("joined", "twice", "late", "unknown", "forged", "unfit")
#: Labels of a request.
PIECE: Final = 1000


def prediction_id(answer: Any) -> str | None:
    """Return the id that a label of an answer is sent with; None if it has none.

    Args:
        answer: a result of tritonclient's ``infer``, over HTTP or gRPC; the headers or gRPC
            metadata of any other client, as a mapping or as pairs; or an answer's JSON.
    """
    response = answer.get_response() if hasattr(answer, "get_response") else answer
    parameters = getattr(response, "parameters", None)
    if parameters is not None:
        # A ModelInferResponse of any gRPC client; to ask for what is not there would add it.
        return parameters[PARAMETER].string_param if PARAMETER in parameters else None
    if isinstance(response, Mapping) and isinstance(response.get("parameters"), Mapping):
        found: str | None = response["parameters"].get(PARAMETER)
        return found
    pairs = response.items() if hasattr(response, "items") else response
    return {str(name).lower(): value for name, value in pairs}.get(HEADER)


def send_labels(labels: Iterable[Mapping[str, Any]], url: str = DEFAULT_URL) -> dict[str, int]:
    """Send labels, in pieces; return how many came to what (docs/feedback.md).

    What was sent before does no harm: after an error all of it may be sent again.

    Args:
        labels: each with ``prediction_id``, ``label`` or ``scores``, and a ``segment`` if it has;
            numbers may be NumPy's.
        url: where the server answers inferences over HTTP, or its console; HEADRACE_TOKEN has the
            console's token, where that asks for one.

    Raises:
        Unreachable: nobody answers there.
        Refused: a piece has what is no label, and nothing of it was joined.
    """
    total = Counter(dict.fromkeys(OUTCOMES, 0))
    left = iter(labels)
    while piece := list(itertools.islice(left, PIECE)):
        answer = post(url, "/headrace/v1/feedback", {"feedback": piece}, default=_plain)
        del answer["first"]
        total.update(answer)
    return dict(total)


def _plain(value: Any) -> Any:
    """Return a number of NumPy's, or an array of them, as JSON has it."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"expected numbers, texts, lists and mappings in a label, not {type(value).__name__}: "
        f"{value!r:.100}"
    )
