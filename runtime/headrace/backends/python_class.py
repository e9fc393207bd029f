"""The Model class of a version's model.py."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from headrace.errors import ModelInvalid
from headrace.models import Model, Tensor

#: How a model answers: at once, or in parts.
WAYS: Final = ("predict", "stream", "step")
#: Before and behind ``predict``.
STAGES: Final = ("prepare", "finish")
#: What a class is called that is written for Triton.
TRITONS: Final = "TritonPythonModel"
EXPECTED: Final = 'a list of headrace.Tensor, such as [Tensor("x", "FP32", [16])]'


def of_tritons(file: Path) -> str:
    """Return what to do with a model.py that is written for Triton and is not served as such."""
    return (
        f"{file} is written for Triton's Python backend, and served with a config.pbtxt beside its "
        "folder, which says max_batch_size at least, and no model.yaml: where there is a "
        "model.yaml, that counts"
    )


def make(module: ModuleType, file: Path, *, streams: bool = False) -> Model:
    """Return an object of the one Model class that ``module`` defines.

    Args:
        module: what was imported.
        file: where it was imported from.
        streams: it answers in parts.

    Raises:
        ModelInvalid: there is no such class or more than one, or it does not declare its tensors.
    """
    classes = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Model) and one.__module__ == module.__name__
    ]
    if len(classes) != 1:
        if not classes and hasattr(module, TRITONS):
            raise ModelInvalid(of_tritons(file))
        found = ", ".join(one.__name__ for one in classes) or "none"
        raise ModelInvalid(
            f"{file} should define one class derived from headrace.Model; found: {found}"
        )
    cls = classes[0]
    # Those of a base of the author's own.
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    ways = [one for one in WAYS if getattr(cls, one) is not getattr(Model, one)]
    if not streams and not ways:
        missing.append("predict")
    if missing:
        raise ModelInvalid(f"{file}: {cls.__name__} does not define {' and '.join(missing)}()")
    _check_ways(ways, f"{file}: {cls.__name__}", streams=streams)
    if streams:
        _check_no_stages(cls, f"{file}: {cls.__name__}")
    _check_plain(cls, f"{file}: {cls.__name__}")
    for side in ("inputs", "outputs"):
        _check_tensors(getattr(cls, side, None), f"{file}: {cls.__name__}.{side}")
    if not isinstance(cls.concurrency, int) or cls.concurrency < 1:
        raise ModelInvalid(f"{file}: {cls.__name__}.concurrency is a count, 1 or more")
    return cls()


def _check_ways(ways: Sequence[str], who: str, *, streams: bool) -> None:
    told = " and ".join(f"{one}()" for one in ways) or "none of them"
    in_parts = [one for one in ways if one != "predict"]
    if not streams and "predict" not in ways:
        raise ModelInvalid(
            f"{who} defines {told}, which answers in parts: write `streams: true` into its "
            "model.yaml, or define predict()"
        )
    if streams and len(in_parts) != 1:
        raise ModelInvalid(
            f"{who} defines {told}, and its model.yaml says `streams: true`: expected stream(), a "
            "generator of one request's parts, or step(), which goes on with all requests at once"
        )


def _check_no_stages(cls: type[Model], who: str) -> None:
    for one in STAGES:
        if getattr(cls, one) is not getattr(Model, one):
            raise ModelInvalid(
                f"{who} defines {one}(), which is for whole batches, and its model.yaml says "
                "`streams: true`: do it in stream() or step()"
            )


def _check_plain(cls: type[Model], who: str) -> None:
    for name in (*WAYS, *STAGES, "load", "example"):
        function = getattr(cls, name)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            kind = "a plain generator" if name == "stream" else "a plain function"
            raise ModelInvalid(
                f"{who}.{name}() is `async def`: expected {kind}, for it has a thread of its own "
                "and no event loop; write `def`, and call what blocks as it is"
            )


def _check_tensors(given: Any, where: str) -> Sequence[Tensor]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, Tensor) for one in given):
        raise ModelInvalid(f"{where} should be {EXPECTED}, not {given!r}")
    if not given:
        raise ModelInvalid(f"{where} is empty: expected {EXPECTED}")
    names = [one.name for one in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelInvalid(f"{where} names {', '.join(map(repr, twice))} more than once")
    return given
