"""A batch that goes through a model as in a lane, on the CPU."""

from collections.abc import Mapping
from typing import Any

from headrace import Model
from headrace.execution.device.host import HostLane
from headrace.execution.passage import OPEN, Passage
from headrace.execution.trial import MadeUpRows


def through(model: Model, rows: MadeUpRows) -> Mapping[str, Any]:
    """Return the outputs in the host's memory."""
    outputs = Passage("m/1", model, HostLane()).run(rows, OPEN)
    assert outputs is not None
    return outputs
