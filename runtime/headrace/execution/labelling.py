"""Whether an output is one that labels can be compared with, and what the core is told of it."""

from collections.abc import Sequence
from typing import Any, Final

from headrace.config.feedback import Feedback
from headrace.errors import ModelInvalid
from headrace.execution.policy import WHOLE
from headrace.models import Tensor

NO_NUMBERS: Final = frozenset({"BOOL", "BYTES"})


def facts(feedback: Feedback | None, outputs: Sequence[Tensor]) -> dict[str, Any] | None:
    """Return what the core needs to know for ids of predictions; `check` has found it good."""
    if feedback is None:
        return None
    return {
        "output": _place(feedback, outputs),
        "within_hours": feedback.within_hours,
        "share": round(feedback.sample_percent * WHOLE / 100),
    }


def check(
    feedback: Feedback | None, outputs: Sequence[Tensor], *, streams: bool, unbatched: bool
) -> None:
    """Check that labels can be compared with an output.

    Raises:
        ModelInvalid: they cannot, and why.
    """
    if feedback is None:
        return
    if streams:
        raise ModelInvalid("feedback is not for streams: an answer in parts has no id; take it out")
    if unbatched:
        raise ModelInvalid(
            "feedback is not for batching.unbatched: a prediction is a row, and its tensors have "
            "none; take one of them out"
        )
    output = outputs[_place(feedback, outputs)]
    if output.datatype in NO_NUMBERS or len(output.shape) > 1:
        raise ModelInvalid(
            f"feedback.output {output.name!r} is {output.datatype}{list(output.shape)}: expected "
            "numbers, with a vector of scores in each row, or with one number"
        )


def _place(feedback: Feedback, outputs: Sequence[Tensor]) -> int:
    names = [one.name for one in outputs]
    if feedback.output is None and len(names) == 1:
        return 0
    if feedback.output not in names:
        named = "names none" if feedback.output is None else f"names {feedback.output!r}"
        raise ModelInvalid(
            f"feedback.output {named}: expected one of the model's outputs, {', '.join(names)}"
        )
    return names.index(feedback.output)
