"""From a batch to what a flavour takes, and from what it returns to outputs."""

from collections.abc import Mapping
from math import prod
from typing import Any

from headrace.backends.mlflow.signature import Side
from headrace.errors import ModelBroken
from headrace.models import Batch


def given(batch: Batch, inputs: Side) -> Any:
    """Return the batch as MLflow's models take it, to be written to and kept.

    A pandas DataFrame where the signature is of columns; else an array, or a dict of arrays where
    its tensors have names.
    """
    columns = _copied(batch, inputs)
    if inputs.is_table:
        import pandas as pd

        # pandas numbers what has no name.
        return pd.DataFrame({0: next(iter(columns.values()))} if inputs.is_unnamed else columns)
    return next(iter(columns.values())) if inputs.is_unnamed else columns


def returned(value: Any, outputs: Side) -> dict[str, Any]:
    """Return what a model's prediction is, by the outputs of its signature.

    Raises:
        ModelBroken: it has other names, or another number of columns.
    """
    names = [one.name for one in outputs.tensors]
    by_name = _by_name(value, names, outputs)
    return {
        one.name: _texts(by_name[one.name]) if one.datatype == "BYTES" else by_name[one.name]
        for one in outputs.tensors
    }


def _by_name(value: Any, names: list[str], outputs: Side) -> Mapping[str, Any]:
    if len(names) == 1 and not isinstance(value, dict):
        # A Series, an array or a list; a table of one column is that column.
        array = _array(value)
        is_column = outputs.is_table and array.ndim == 2 and array.shape[1] == 1
        return {names[0]: array[:, 0] if is_column else array}
    if hasattr(value, "columns") or isinstance(value, dict):
        missing = [name for name in names if name not in value]
        if missing:
            found = ", ".join(map(str, value))
            raise ModelBroken(
                f"the model returned {found}, and its signature has the outputs "
                f"{', '.join(names)}: log it with a signature of what it returns"
            )
        return {name: _array(value[name]) for name in names}
    array = _array(value)
    if array.ndim < 2 or array.shape[1] != len(names):
        raise ModelBroken(
            f"the model returned an array of shape {list(array.shape)}, and its signature has the "
            f"outputs {', '.join(names)}: expected [rows, {len(names)}]"
        )
    return {name: array[:, at] for at, name in enumerate(names)}


def _array(value: Any) -> Any:
    import numpy as np

    return value.to_numpy() if hasattr(value, "to_numpy") else np.asarray(value)


def _texts(array: Any) -> list[Any]:
    """Return elements as one flat list of bytes or texts."""
    found: list[Any] = array.ravel().tolist()
    return found


def _copied(batch: Batch, inputs: Side) -> dict[str, Any]:
    copied = batch.copy()
    for one in inputs.tensors:
        if one.datatype == "BYTES":
            flat = copied[one.name]
            shape = batch[one.name].shape
            if one.name not in inputs.binary:
                flat = _decoded(batch, one.name, flat, prod(shape[1:]))
            copied[one.name] = _objects(flat, shape)
    return {one.name: copied[one.name] for one in inputs.tensors}


def _decoded(batch: Batch, name: str, flat: list[bytes], width: int) -> list[str]:
    """Return texts; rows with what is none are rejected."""
    texts = []
    for at, one in enumerate(flat):
        try:
            texts.append(one.decode())
        except UnicodeDecodeError as error:
            batch.reject(at // width, f"input {name!r} is not UTF-8, as its type says: {error}")
            texts.append("")
    return texts


def _objects(flat: list[Any], shape: tuple[int, ...]) -> Any:
    import numpy as np

    # Filled one by one: NumPy would make an array of characters of texts.
    array = np.empty(len(flat), object)
    for at, one in enumerate(flat):
        array[at] = one
    return array.reshape(shape)
