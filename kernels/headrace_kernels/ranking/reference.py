"""`softmax_top_k` in NumPy: what it means, written to be read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.parameters import whole

Pair = tuple[NDArray[np.float32], NDArray[np.int64]]


def softmax_top_k(logits: NDArray[Any], k: int, *, out: Pair | None = None) -> Pair:
    """Return the probabilities of the ``k`` likeliest classes of each row, and those classes.

    ``logits`` is [rows, classes], of float32, float16 or bfloat16. The larger logit comes first,
    the smaller class among equals (0 and -0 are equal), NaN before every number. Probabilities are
    those of torch's `softmax`: NaN for the whole row if one logit is NaN or infinity, or if all are
    minus infinity.

    Held by the tests: classes are exact; probabilities, computed in double here, are within 1e-6.
    """
    k = whole("k", k, 1, logits.shape[1])
    values = logits.astype(np.float64)
    # lexsort is stable and its last key the first: NaN, then the larger, then the smaller class.
    order = np.lexsort((-np.where(np.isnan(values), 0.0, values), ~np.isnan(values)))
    chosen = order[:, :k]
    with np.errstate(invalid="ignore"):
        exponents = np.exp(values - values.max(1, keepdims=True))
        probabilities = exponents / exponents.sum(1, keepdims=True)
    if out is None:
        out = np.empty(chosen.shape, np.float32), np.empty(chosen.shape, np.int64)
    out[0][...] = np.take_along_axis(probabilities, chosen, 1)
    out[1][...] = chosen
    return out
