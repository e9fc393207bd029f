"""The Model class of a version's model.py."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from headrace.errors import ModelInvalid
from headrace.models import Model, Tensor

EXPECTED: Final = 'a list of headrace.Tensor, such as [Tensor("x", "FP32", [16])]'


def make(module: ModuleType, file: Path) -> Model:
    """Return an object of the one Model class that ``module`` defines.

    Raises:
        ModelInvalid: there is no such class or more than one, or it does not declare its tensors.
    """
    classes = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Model) and one.__module__ == module.__name__
    ]
    if len(classes) != 1:
        found = ", ".join(one.__name__ for one in classes) or "none"
        raise ModelInvalid(
            f"{file} should define one class derived from headrace.Model; found: {found}"
        )
    cls = classes[0]
    missing = sorted(cls.__abstractmethods__)
    if missing:
        raise ModelInvalid(f"{file}: {cls.__name__} does not define {' and '.join(missing)}()")
    for side in ("inputs", "outputs"):
        _check_tensors(getattr(cls, side, None), f"{file}: {cls.__name__}.{side}")
    if not isinstance(cls.concurrency, int) or cls.concurrency < 1:
        raise ModelInvalid(f"{file}: {cls.__name__}.concurrency is a count, 1 or more")
    return cls()


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
