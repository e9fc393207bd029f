"""What callers send and get, where steps stand before and behind a model. Pure."""

from collections.abc import Mapping, Sequence

from headrace.errors import ModelInvalid
from headrace.models import Tensor
from headrace.processing.step import Step


def asked(steps: Sequence[Step], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return what callers send: what steps ask for, and inputs of the model that none makes.

    Raises:
        ModelInvalid: steps do not fit each other, or the model.
    """
    sent: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}
    for step in steps:
        for tensor in step.asks():
            if sent.setdefault(tensor.name, tensor) != tensor:
                raise _wrong(step, f"asks for {tensor}, and another step for {sent[tensor.name]}")
        for tensor in step.makes([sent[name] for name in step.takes]):
            if tensor.name in made:
                raise _wrong(step, f"makes {tensor.name!r}, which another step makes too")
            made[tensor.name] = tensor
    _check_made(made, inputs)
    for tensor in inputs:
        if tensor.name not in made and sent.setdefault(tensor.name, tensor) != tensor:
            raise ModelInvalid(
                f"preprocess reads {sent[tensor.name]}, but the model takes {tensor} of that name"
            )
    return list(sent.values())


def _check_made(made: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> None:
    wanted = {one.name: one for one in inputs}
    for name, tensor in made.items():
        if name not in wanted:
            raise ModelInvalid(
                f"preprocess makes {name!r}, which is no input of the model: those are "
                f"{', '.join(map(str, inputs))}"
            )
        if not _fits(tensor, wanted[name]):
            raise ModelInvalid(f"preprocess makes {tensor}, but the model takes {wanted[name]}")


def answered(steps: Sequence[Step], outputs: Sequence[Tensor]) -> list[Tensor]:
    """Return what callers get: what the model and steps make, and no step reads.

    Raises:
        ModelInvalid: steps do not fit each other, or the model.
    """
    known = {one.name: one for one in outputs}
    read: set[str] = set()
    for step in steps:
        if missing := [name for name in step.takes if name not in known]:
            raise _wrong(
                step,
                f"reads {missing[0]!r}, which nothing makes before it: there is "
                f"{', '.join(map(str, known.values()))}",
            )
        made = step.makes([known[name] for name in step.takes])
        for tensor in made:
            if tensor.name in known:
                raise _wrong(step, f"makes {tensor.name!r}, which there is already")
            known[tensor.name] = tensor
        read.update(step.takes)
    return [one for one in known.values() if one.name not in read]


def _fits(made: Tensor, wanted: Tensor) -> bool:
    return (
        made.datatype == wanted.datatype
        and len(made.shape) == len(wanted.shape)
        and all(want in (-1, have) for have, want in zip(made.shape, wanted.shape, strict=True))
    )


def _wrong(step: Step, what: str) -> ModelInvalid:
    return ModelInvalid(f"{step.name} {what}")
