"""A `TritonPythonModel` that answers each request once, as a Model over rows."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from math import prod
from typing import Any

from headrace.backends.triton_python.around import Around
from headrace.backends.triton_python.request import InferenceRequest
from headrace.backends.triton_python.response import InferenceResponse
from headrace.backends.triton_python.sender import ResponseSender
from headrace.backends.triton_python.tensor import Tensor
from headrace.errors import ModelBroken
from headrace.models import Batch
from headrace.models import Tensor as Declared
from headrace.models.host import on_host
from headrace.vocabulary import numpy_dtype


class WholeAnswers(Around):
    """Calls `execute` for each batch, and joins what it answers."""

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Answer every request; one whose response is an error is rejected with its text.

        Raises:
            ModelBroken: there is not one response for each request, or one is not as declared.
        """
        changed = threading.Condition()
        # Each is made anew when it is asked for.
        parameters, sequences = batch.parameters, batch.sequences
        arrays = {one.name: batch[one.name] for one in self.inputs}
        counts = batch.requests
        firsts = [0, *accumulate(counts)][:-1]
        requests, senders = [], []
        for row, count in zip(firsts, counts, strict=True):
            sender = ResponseSender(changed, partial(_is_live, batch, row), most=1)
            senders.append(sender)
            requests.append(
                InferenceRequest.received(
                    self._told,
                    [
                        tensor(one, arrays[one.name], row, row + count, has_rows=self._has_rows)
                        for one in self.inputs
                    ],
                    parameters[row],
                    sender,
                    sequences[row] if row < len(sequences) else None,
                )
            )
        returned = self._instance.execute(requests)
        responses = answers(returned, senders, changed)
        for row, response in zip(firsts, responses, strict=True):
            if (error := response.error()) is not None:
                batch.reject(row, error.told)
        return joined(self.outputs, responses, counts, has_rows=self._has_rows)


def _is_live(batch: Batch, row: int) -> bool:
    return bool(batch.live()[row])


def tensor(
    declared: Declared, value: Any, begin: int, end: int, *, has_rows: bool = True
) -> Tensor:
    """Return rows of an input as a request's: a copy, for models write to what they get.

    Without an axis of rows it is the one row.
    """
    import numpy as np

    if declared.datatype != "BYTES":
        rows = np.array(value[begin:end])
        return Tensor(declared.name, rows if has_rows else rows[0])
    shape = (end - begin, *value.shape[1:])
    width = prod(shape[1:])
    elements = np.empty(prod(shape), dtype=np.object_)
    elements[:] = [bytes(one) for one in value[begin * width : end * width]]
    return Tensor(declared.name, elements.reshape(shape if has_rows else shape[1:]))


def answers(
    returned: Any, senders: Sequence[ResponseSender], changed: threading.Condition
) -> list[InferenceResponse]:
    """Return the response of each request, returned or sent; blocks for those being sent.

    Raises:
        ModelBroken: one has none, or two.
    """
    if returned is None:
        returned = [None] * len(senders)
    if not isinstance(returned, list | tuple) or len(returned) != len(senders):
        found = f"{len(returned)} of them" if isinstance(returned, list | tuple) else returned
        raise ModelBroken(
            f"execute() should return a list of {len(senders)} pb_utils.InferenceResponse, one for "
            f"each request, not {found!r}"
        )
    whole = []
    for at, (given, sender) in enumerate(zip(returned, senders, strict=True)):
        if given is None and sender.is_taken:
            with changed:
                changed.wait_for(partial(getattr, sender, "is_final"))
            given = sender.take()
        if not isinstance(given, InferenceResponse):
            raise ModelBroken(
                f"execute() should answer each request with a pb_utils.InferenceResponse; the one "
                f"of request {at} is {type(given).__name__}"
            )
        whole.append(given)
    return whole


def joined(
    declared: Sequence[Declared],
    responses: Sequence[InferenceResponse],
    counts: Sequence[int],
    *,
    has_rows: bool = True,
) -> dict[str, Any]:
    """Return the outputs of all responses, row by row; zeros for one that is an error.

    Args:
        declared: the outputs.
        responses: one for each request.
        counts: the rows of each.
        has_rows: whether the class knows of rows.

    Raises:
        ModelBroken: an output is missing, or has another shape or datatype than was declared.
    """
    import numpy as np

    outputs: dict[str, Any] = {}
    for one in declared:
        given = [
            None if this.has_error() else array(this, one, count, has_rows=has_rows)
            for this, count in zip(responses, counts, strict=True)
        ]
        shapes = {rows.shape[1:] for rows in given if rows is not None}
        if len(shapes) > 1:
            raise ModelBroken(
                f"output {one.name!r} has rows of shapes {sorted(shapes)} in one batch: say "
                "max_batch_size: 1 in config.pbtxt, or give all of them one shape"
            )
        shape = shapes.pop() if shapes else tuple(max(1, size) for size in one.shape)
        outputs[one.name] = np.concatenate(
            [
                _blank(one.datatype, (count, *shape)) if rows is None else rows
                for rows, count in zip(given, counts, strict=True)
            ]
        )
    return outputs


def _as_declared(value: Any, declared: Declared) -> Any:
    """Return whole numbers in the declared width, where they fit: Triton sends any, as it comes."""
    if value.dtype.kind not in "iu" or "INT" not in declared.datatype:
        return value
    narrowed = value.astype(numpy_dtype(declared.datatype), copy=False)
    return narrowed if (narrowed == value).all() else value


def _blank(datatype: str, shape: Sequence[int]) -> Any:
    import numpy as np

    if datatype == "BYTES":
        return np.full(shape, b"", dtype=np.object_)
    return np.zeros(shape, numpy_dtype(datatype))


def array(
    response: InferenceResponse, declared: Declared, rows: int, *, has_rows: bool = True
) -> Any:
    """Return a response's output as an array ``[rows, *shape]`` in the host's memory.

    Without an axis of rows the class gave ``shape`` alone.

    Raises:
        ModelBroken: there is none of that name, or it has another shape or datatype.
    """
    from headrace.backends.triton_python.datatypes import datatype_of

    found = [one for one in response.output_tensors() if one.name() == declared.name]
    if len(found) != 1:
        names = [one.name() for one in response.output_tensors()]
        raise ModelBroken(
            f"a response should have output {declared.name!r} once, as every output of "
            f"config.pbtxt; it has {names}"
        )
    value = _as_declared(on_host(found[0].raw), declared)
    wanted = (rows, *declared.shape) if has_rows else tuple(declared.shape)
    datatype = datatype_of(value.dtype)
    fits = len(value.shape) == len(wanted) and all(
        want in (-1, have) for want, have in zip(wanted, value.shape, strict=True)
    )
    if datatype != declared.datatype or not fits:
        raise ModelBroken(
            f"output {declared.name!r} should be {declared.datatype}{list(wanted)}, but the "
            f"response has {datatype}{list(value.shape)}"
        )
    value = value if value.dtype.kind != "S" else value.astype(object)
    return value if has_rows else value[None]
