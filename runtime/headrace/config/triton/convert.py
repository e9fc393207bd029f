"""From a configuration of Triton's to one of ours: a word for each of its fields."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from headrace.config.load import explain
from headrace.config.schema import ModelConfig
from headrace.config.section import AtItem
from headrace.config.triton.batching import batching
from headrace.config.triton.elsewhere import elsewhere
from headrace.config.triton.fields import paths
from headrace.config.triton.finding import Finding, Verdict, passed_over, refused
from headrace.config.triton.placement import placement
from headrace.config.triton.sequences import BATCHER, control_inputs, sequences
from headrace.config.triton.tensors import Declared, declared, tensors

#: What has a class, which may keep state.
CLASSES: Final = ("python", "triton_python")
#: Whether a model.yaml may speak of sequences.
SEQUENCES: Final = "sequences" in ModelConfig.model_fields


@dataclass(frozen=True)
class Converted:
    """What a config.pbtxt comes to."""

    #: A model.yaml, as values.
    settings: Mapping[str, Any]
    #: What became of each field, and of some that are not there.
    findings: Sequence[Finding]
    inputs: Sequence[Declared]
    outputs: Sequence[Declared]
    #: What runs the model, as `convert` was told.
    backend: str

    @property
    def refused(self) -> Sequence[Finding]:
        """What it asks for and there is not."""
        return [one for one in self.findings if one.verdict is Verdict.REFUSED]


def convert(given: Any, name: str, *, backend: str, sequenced: bool = SEQUENCES) -> Converted:
    """Return what a configuration comes to.

    Args:
        given: Triton's ModelConfig.
        name: of the model's folder.
        backend: ``python``, ``onnx`` or ``torch``; or, where Triton's folder is served as it is,
            ``triton_python`` or ``torchscript``. It says who declares the tensors.
        sequenced: there are sequences.
    """
    found = [
        *elsewhere(given, name, backend),
        *tensors(given, backend),
        *batching(given, backend),
        *placement(given),
    ]
    if given.HasField(BATCHER):
        found += _sequences(given, backend, sequenced=sequenced)
    found += [refused(path, "not known here") for path in passed_over(paths(given), found)]
    found = _fit(found)
    filled = control_inputs(given) if sequenced else []
    return Converted(
        _nested(found),
        found,
        [*declared(given, "input", backend), *filled],
        declared(given, "output", backend),
        backend,
    )


def _sequences(given: Any, backend: str, *, sequenced: bool) -> Iterator[Finding]:
    if not sequenced:
        yield refused(BATCHER, "sequences are not served")
    elif backend not in CLASSES:
        yield refused(BATCHER, "a file of a model keeps no state: write a class")
    else:
        yield from sequences(given)


def _fit(found: Sequence[Finding]) -> list[Finding]:
    """Return them with those refused whose settings no model.yaml may have."""
    fitting = list(found)
    while wrong := _wrong(fitting):
        for one, why in wrong.items():
            fitting[one] = fitting[one].refused(why)
    return fitting


def _wrong(found: Sequence[Finding]) -> dict[int, str]:
    """Return which of them the schema refuses, and why."""
    try:
        ModelConfig.model_validate(_nested(found))
    except ValidationError as error:
        wrong: dict[int, str] = {}
        for detail in error.errors(include_url=False):
            cause = detail.get("ctx", {}).get("error")
            where = (*detail["loc"], *(cause.below if isinstance(cause, AtItem) else ()))
            why = explain(where, detail)
            behind = _behind(found, where, why if detail["type"] == "value_error" else "")
            wrong.update(dict.fromkeys(behind, why))
        if not wrong:
            # What nobody asked for is refused: a bug of ours.
            raise
        return wrong
    return {}


def _behind(found: Sequence[Finding], where: tuple[str | int, ...], why: str) -> list[int]:
    """Return whose settings an error is about that is told at ``where``.

    Args:
        found: what has settings.
        where: the keys from the top.
        why: what a check of ours says of a section, which names the key that it is about.
    """
    at, above = [], []
    for number, one in enumerate(found):
        for key in one.settings:
            if key == where[: len(key)]:
                at.append(number)
            elif where == key[: len(where)]:
                above.append((number, key[-1] in why))
    return at or [number for number, named in above if named] or [number for number, _ in above]


def _nested(found: Sequence[Finding]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for one in found:
        for key, value in one.settings.items():
            section = whole
            for part in key[:-1]:
                section = section.setdefault(part, {})
            section[key[-1]] = value
    return whole
