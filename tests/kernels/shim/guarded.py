"""Buffers with a page on either side that cannot be read: one byte too far is a fault."""

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_PAGE = mmap.PAGESIZE
_PROT_NONE = 0


def guarded(array: NDArray[Any], *, front: bool = False, align: int = 16) -> NDArray[Any]:
    """Return a copy of ``array`` that ends just before such a page, or begins just behind one.

    At the end up to ``align - 1`` bytes lie between: the copy begins at a multiple of ``align``.
    """
    pages = -(-max(array.nbytes, 1) // _PAGE)
    memory = mmap.mmap(-1, (pages + 2) * _PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for wall in (0, pages + 1):
        if _libc.mprotect(base + wall * _PAGE, _PAGE, _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    begin = _PAGE if front else (_PAGE + pages * _PAGE - array.nbytes) // align * align
    copy = np.frombuffer(memory, array.dtype, array.size, begin).reshape(array.shape)
    copy[...] = array
    return copy
