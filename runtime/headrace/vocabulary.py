"""The words that every part uses: datatypes, pictures and ports."""

from typing import Any, Final

#: Datatype of the Open Inference Protocol → bytes of an element; None: elements have own lengths.
DATATYPES: Final[dict[str, int | None]] = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "FP32": 4,
    "FP64": 8,
    "BYTES": None,
    "BF16": 2,
}

#: Datatype → NumPy's name of it. BYTES has none; BF16 is `ml_dtypes.bfloat16`.
NUMPY_NAMES: Final[dict[str, str]] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BF16": "bfloat16",
}

#: File ending → media type of what the core decodes.
IMAGES: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}

#: HTTP is on the first port, gRPC, metrics and the console on the next three.
FIRST_PORT: Final = 8000


def numpy_dtype(datatype: str) -> Any:
    """Return NumPy's dtype of a datatype other than BYTES."""
    # Brings NumPy, which must not come before its count of threads is set.
    import numpy as np

    if datatype == "BF16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(NUMPY_NAMES[datatype])
