"""Whether an exported program takes what model.yaml says that it does, before it is ever run."""

from collections.abc import Sequence
from typing import Any

import torch

from headrace.backends.pytorch.forward import datatype
from headrace.errors import ModelInvalid
from headrace.models import Tensor

EXPORT = "torch.export.export(…, dynamic_shapes=({0: torch.export.Dim('rows', max=…)}, …))"


def check(
    program: torch.export.ExportedProgram, inputs: Sequence[Tensor], rows: Sequence[int]
) -> None:
    """Hold a program's arguments against declared inputs.

    Args:
        program: as it was read.
        inputs: in the order of its arguments.
        rows: every size that a batch may have, rising.

    Raises:
        ModelInvalid: it would refuse each request, or some.
    """
    values = {
        node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"
    }
    given = [values[name] for name in program.graph_signature.user_inputs if name in values]
    if len(given) != len(inputs):
        raise ModelInvalid(
            f"the program takes {len(given)} arguments, and model.yaml declares {len(inputs)} "
            "inputs: name each, in the order of the arguments"
        )
    for tensor, value in zip(inputs, given, strict=True):
        if isinstance(value, torch.Tensor):
            _check_one(program, tensor, value, rows)


def _check_one(
    program: torch.export.ExportedProgram, tensor: Tensor, value: Any, rows: Sequence[int]
) -> None:
    if value.dtype != datatype(tensor):
        raise ModelInvalid(
            f"the program takes {value.dtype} where model.yaml has {tensor}: declare the datatype "
            "that it was exported with"
        )
    sizes = list(value.shape)
    if len(sizes) != 1 + len(tensor.shape) or any(
        isinstance(size, int) and size != declared
        for size, declared in zip(sizes[1:], tensor.shape, strict=False)
    ):
        raise ModelInvalid(
            f"the program takes a shape of [rows, {', '.join(map(str, sizes[1:]))}] where "
            f"model.yaml has {tensor}"
        )
    first = sizes[0] if sizes else 0
    if isinstance(first, int):
        if list(rows) != [first]:
            raise ModelInvalid(
                f"the program takes {first} rows and no others, as it was exported: export it with "
                f"{EXPORT}, or have each batch padded to them by batching: {{allowed_rows: "
                f"[{first}], max_rows: {first}}}"
            )
        return
    known = program.range_constraints.get(first.node.expr)
    if known is not None and max(rows) > known.upper:
        raise ModelInvalid(
            f"the program takes up to {known.upper} rows, as it was exported, and a batch may have "
            f"{max(rows)}: write batching: {{max_rows: {known.upper}}}, or export it with {EXPORT}"
        )
