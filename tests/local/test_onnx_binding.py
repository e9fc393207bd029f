"""Inputs of a graph that lie on its device already."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.onnx_files import doubler, write
from tests.passing import through

from headrace.backends.onnx.binding import bound, wait_for
from headrace.execution import trial
from headrace.execution.opening import open_model
from headrace.repository.folder import find


class There(np.ndarray[Any, Any]):
    """An array that says of itself what one on a GPU says; the device is the CPU's here."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.__array_interface__, "version": 3, "stream": None}


def test_what_lies_on_the_device_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, and not: of that a copy is read."""
    write(tmp_path, "net", doubler("inner"))
    (version,) = find(tmp_path)
    model = open_model(version)
    monkeypatch.setattr("headrace.backends.onnx.model.bound", partial(bound, device="cpu"))
    (x,) = model.inputs
    width = 4 if -1 in x.shape else x.shape[0]
    given = np.arange(3 * width, dtype=np.float32).reshape(3, width)
    plain = through(model, trial.MadeUpRows(3, {x.name: given}))
    backwards = np.ascontiguousarray(given[:, ::-1])[:, ::-1]
    for there in (given.view(There), backwards.view(There)):
        bound_to = through(model, trial.MadeUpRows(3, {x.name: there}))
        for name, expected in plain.items():
            assert np.array_equal(bound_to[name], expected)


def test_the_stream_that_makes_an_array_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []

    class Cuda:
        class ExternalStream:
            def __init__(self, stream: int) -> None:
                self.stream = stream

            def synchronize(self) -> None:
                waited.append(self.stream)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=Cuda))
    wait_for(None)
    wait_for(7)
    assert waited == [7]
