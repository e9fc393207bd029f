"""Libraries that another thread imports while a version serves: half a module is none."""

import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.unit.steps_made_up import Echo

from headrace.models.host import on_host
from headrace.models.imported import imported
from headrace.processing.implementation import References


class Half(MetaPathFinder, Loader):
    """Imports a module that is asked for before it has a name."""

    def __init__(self, name: str, meanwhile: Callable[[], None]) -> None:
        self._name, self._meanwhile = name, meanwhile

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        self._meanwhile()


@pytest.fixture
def while_imported(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Give what does something in the middle of the import of a module."""

    def run(name: str, meanwhile: Callable[[], None]) -> None:
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "meta_path", [Half(name, meanwhile), *sys.meta_path])
        __import__(name)

    return run


def test_a_module_is_there_once_it_is_whole(
    while_imported: Callable[[str, Callable[[], None]], None],
) -> None:
    seen: list[Any] = []
    while_imported("headrace_half", lambda: seen.append(imported("headrace_half")))
    assert seen == [None]
    assert imported("headrace_half") is sys.modules.pop("headrace_half")
    assert imported("headrace_half") is None


def test_a_version_serves_while_pytorch_is_imported_for_another(
    while_imported: Callable[[str, Callable[[], None]], None],
) -> None:
    array = np.zeros(3)
    answers: list[Any] = []

    def serve() -> None:
        answers.append(on_host(array) is array)
        answers.append(References().place(array) is array)
        answers.append(Echo().is_out_of_memory(MemoryError()))
        answers.append(Echo().is_out_of_memory(ValueError()))

    while_imported("torch", serve)
    assert answers == [True, True, True, False]
