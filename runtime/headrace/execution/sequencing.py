"""Sequences of a stateful model: what its contract says of them, and those that nobody sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.config.sequences import Sequences
from headrace.errors import ModelInvalid
from headrace.models import Tensor

#: What a control input may be: as the core has it (``decide/correlate.rs``).
FLAGS: Final = ("INT32", "FP32", "BOOL")
IDS: Final = ("UINT64", "INT64", "BYTES")


@dataclass
class MadeUpRow:
    """A sequence of one request."""

    id: int
    start: bool = True
    end: bool = True
    ready: bool = True
    state: Any = None


def controls(sequences: Sequences | None) -> Mapping[str, str]:
    """Return what each input says that callers do not send, by its name."""
    return {} if sequences is None else sequences.controls.named()


def asked(inputs: Sequence[Tensor], sequences: Sequences | None) -> list[Tensor]:
    """Return the inputs that callers send."""
    filled = controls(sequences)
    return [one for one in inputs if one.name not in filled]


def check(sequences: Sequences | None, inputs: Sequence[Tensor]) -> None:
    """Refuse controls that are no inputs of the class, or cannot say what they should.

    Raises:
        ModelInvalid: which, and what was expected.
    """
    declared = {one.name: one for one in inputs}
    filled = controls(sequences)
    for name, kind in filled.items():
        where = f"sequences.controls.{kind} names the input {name!r}, which"
        if name not in declared:
            known = ", ".join(declared)
            raise ModelInvalid(f"{where} the model does not declare: its inputs are {known}")
        tensor, wanted = declared[name], IDS if kind == "id" else FLAGS
        if tensor.datatype not in wanted:
            expected = ", ".join(wanted)
            raise ModelInvalid(f"{where} is {tensor.datatype}: expected one of {expected}")
        if any(size != 1 for size in tensor.shape):
            raise ModelInvalid(f"{where} has shape {list(tensor.shape)}: expected [1]")
    if filled and len(filled) == len(declared):
        raise ModelInvalid("sequences.controls names all inputs: callers would have none to send")


def facts(sequences: Sequences | None, inputs: Sequence[Tensor]) -> dict[str, Any] | None:
    """Return what the core needs to know."""
    if sequences is None:
        return None
    filled = controls(sequences)
    return {
        **sequences.model_dump(exclude={"controls"}),
        "controls": [
            {
                "kind": filled[one.name],
                "tensor": {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)},
            }
            for one in inputs
            if one.name in filled
        ],
    }
