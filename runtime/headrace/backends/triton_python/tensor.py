"""`pb_utils.Tensor`: an array with a name."""

import struct
from typing import Any, Final

from headrace.backends.triton_python.datatypes import NUMBERS, datatype_of
from headrace.models.host import on_host
from headrace.models.imported import imported

#: DLPack's number of the CPU.
CPU: Final = 1
LENGTH: Final = struct.Struct("<I")


class Tensor:
    """An input or output of one request: what Triton's Python backend calls a tensor."""

    def __init__(self, name: str, numpy_array: Any) -> None:
        """Take a NumPy array; one of objects holds ``bytes`` or ``str``, and is sent as BYTES.

        Raises:
            TypeError: it is no array of NumPy's, or of no datatype of Triton's.
        """
        import numpy as np

        if not isinstance(numpy_array, np.ndarray):
            kind = type(numpy_array).__name__
            raise TypeError(f"Tensor({name!r}) expects an array of NumPy's, not {kind}")
        datatype_of(numpy_array.dtype)
        self._name = name
        self._value: Any = numpy_array

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> "Tensor":
        """Return a tensor of what has ``__dlpack__``, or of a capsule of DLPack.

        Raises:
            TypeError: it is neither.
        """
        made = Tensor.__new__(Tensor)
        made._name = name
        made._value = _imported(tensor)
        return made

    def name(self) -> str:
        """Return the name."""
        return self._name

    def shape(self) -> list[int]:
        """Return the sizes of all axes, that of the rows too."""
        return [int(size) for size in self._value.shape]

    def as_numpy(self) -> Any:
        """Return the array, to be written to as one likes; elements of BYTES are objects.

        Raises:
            TypeError: it is of BF16, which NumPy has not, or lies on a GPU.
        """
        if not self.is_cpu():
            raise TypeError(f"tensor {self._name!r} lies on a GPU: use to_dlpack()")
        value = on_host(self._value)
        if value.dtype.name == "bfloat16":
            raise TypeError(f"tensor {self._name!r} is of BF16, which NumPy has not: to_dlpack()")
        return value

    def triton_dtype(self) -> int:
        """Return Triton's number of the datatype."""
        return NUMBERS[datatype_of(on_host(self._value).dtype)]

    def is_cpu(self) -> bool:
        """Return whether it lies in the host's memory."""
        return self.__dlpack_device__()[0] == CPU

    def to_dlpack(self) -> Any:
        """Return a capsule of DLPack, without a copy.

        Raises:
            TypeError: it is of BYTES.
        """
        return self.__dlpack__()

    def __dlpack__(self, **how: Any) -> Any:
        value = self._value
        if not hasattr(value, "__dlpack__") or getattr(value.dtype, "kind", "") in ("O", "S"):
            raise TypeError(f"tensor {self._name!r} is of BYTES, which DLPack has not: as_numpy()")
        if getattr(value.dtype, "name", "") == "bfloat16":
            from headrace.models.torch_tensor import view

            value = view(self._name, value, "cpu")
        return value.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        import numpy as np

        if isinstance(self._value, np.ndarray):
            return CPU, 0
        kind, number = self._value.__dlpack_device__()
        return int(kind), int(number)

    @property
    def raw(self) -> Any:
        """The array of whichever library, as it lies."""
        return self._value


class _Capsule:
    """A capsule as what it came from."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **how: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU, 0


def _imported(given: Any) -> Any:
    import numpy as np

    torch = imported("torch")
    if type(given).__name__ == "PyCapsule":
        # PyTorch finds out where it lies; NumPy refuses what is not on the CPU.
        return torch.from_dlpack(given) if torch else np.from_dlpack(_Capsule(given))
    if not hasattr(given, "__dlpack__"):
        kind = type(given).__name__
        raise TypeError(f"from_dlpack() expects what has __dlpack__, or a capsule, not {kind}")
    if isinstance(given, np.ndarray) or (torch and isinstance(given, torch.Tensor)):
        return given
    if given.__dlpack_device__()[0] == CPU:
        return np.from_dlpack(given)
    if torch is None:
        raise TypeError("from_dlpack() of what lies on a GPU needs PyTorch: import torch")
    return torch.from_dlpack(given)


def serialize_byte_tensor(input_tensor: Any) -> Any:
    """Return an array of one object: each element's length in four bytes, and the element.

    Raises:
        TypeError: the array is of numbers.
    """
    import numpy as np

    if input_tensor.size == 0:
        return np.empty([0], dtype=np.object_)
    if input_tensor.dtype.kind not in "OS":
        raise TypeError(f"expected an array of bytes or objects, not of {input_tensor.dtype}")
    elements = [
        one if isinstance(one, bytes) else str(one).encode() for one in input_tensor.ravel()
    ]
    whole = b"".join(LENGTH.pack(len(one)) + one for one in elements)
    return np.array([whole], dtype=np.object_)


def deserialize_bytes_tensor(encoded_tensor: bytes) -> Any:
    """Return the elements that `serialize_byte_tensor` wrote, as an array of one axis.

    Raises:
        ValueError: a length leads beyond the end.
    """
    import numpy as np

    elements, at = [], 0
    while at < len(encoded_tensor):
        if at + LENGTH.size > len(encoded_tensor):
            raise ValueError(f"expected a length of {LENGTH.size} bytes at {at}")
        (length,) = LENGTH.unpack_from(encoded_tensor, at)
        at += LENGTH.size
        if at + length > len(encoded_tensor):
            raise ValueError(f"expected {length} bytes at {at}, of {len(encoded_tensor)}")
        elements.append(bytes(encoded_tensor[at : at + length]))
        at += length
    return np.array(elements, dtype=np.object_)
