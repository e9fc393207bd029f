"""Triton's three names for a datatype: its number, its text in a config, and NumPy's."""

from functools import lru_cache
from typing import Any, Final

from headrace.vocabulary import NUMPY_NAMES

#: In the order of Triton's numbers, from 1 on.
ORDER: Final = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
    "BF16",
)
#: Datatype → Triton's number of it.
NUMBERS: Final = {datatype: number for number, datatype in enumerate(ORDER, start=1)}


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """Return NumPy's type of what a config calls a ``data_type``, such as ``"TYPE_FP32"``.

    Raises:
        TypeError: NumPy has none: BF16, or no datatype at all.
    """
    word = triton_type_string.removeprefix("TYPE_")
    return _numpy("BYTES" if word == "STRING" else word, triton_type_string)


def triton_to_numpy_type(data_type: int) -> Any:
    """Return NumPy's type of Triton's number.

    Raises:
        TypeError: NumPy has none.
    """
    known = 1 <= data_type <= len(ORDER)
    return _numpy(ORDER[data_type - 1] if known else "", data_type)


def numpy_to_triton_type(data_type: Any) -> int:
    """Return Triton's number of NumPy's type.

    Raises:
        TypeError: Triton has none.
    """
    return NUMBERS[datatype_of(data_type)]


# Asked for every tensor; there are few types, but for those of fixed lengths.
@lru_cache(maxsize=64)
def datatype_of(numpy_type: Any) -> str:
    """Return the datatype of the protocol that NumPy's type is sent as.

    Raises:
        TypeError: there is none; of texts (``<U``) Triton has none either.
    """
    import numpy as np

    dtype = np.dtype(numpy_type)
    if dtype.kind in "OS":
        return "BYTES"
    for datatype, name in NUMPY_NAMES.items():
        if name == dtype.name:
            return datatype
    hint = ": use .astype(object), which is sent as BYTES" if dtype.kind in "UT" else ""
    raise TypeError(f"NumPy's {dtype} is no datatype of Triton's{hint}")


def _numpy(datatype: str, given: object) -> Any:
    import numpy as np

    if datatype == "BYTES":
        return np.object_
    if datatype not in NUMPY_NAMES or datatype == "BF16":
        raise TypeError(f"NumPy has no type for Triton's {given!r}")
    return np.dtype(NUMPY_NAMES[datatype]).type
