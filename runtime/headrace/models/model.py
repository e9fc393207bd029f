"""The class that a model's author derives from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.models.batch import Batch
from headrace.models.context import Context
from headrace.models.tensor import Tensor


class Model(ABC):
    """One version of a model: its tensors, how it loads, and how it answers a batch.

    One object serves every request of its process. ``load`` runs once; then ``predict`` runs from
    a thread of its own, ``concurrency`` at a time. Where PyTorch was imported ``predict`` runs
    under ``torch.inference_mode()``.
    """

    #: What callers send. The batch axis is implied.
    inputs: Sequence[Tensor]
    #: What ``predict`` returns. The batch axis is implied.
    outputs: Sequence[Tensor]
    #: How many ``predict`` may run at once. Most models are not safe for more than one.
    concurrency: int = 1

    @abstractmethod
    def load(self, context: Context) -> None:
        """Make the model ready. What this raises is shown as the reason why it failed."""

    @abstractmethod
    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Return for each declared output an array of shape ``[batch.rows, *shape]``.

        An array may be of NumPy, PyTorch, CuPy or anything with DLPack; a BYTES output is lists of
        ``bytes`` or ``str``, which may be flat where the shape has no -1. What this raises answers
        the callers of this batch with an error and harms no other batch.
        """

    def example(self, rows: int) -> Mapping[str, Any] | None:
        """Return inputs of ``rows`` rows to warm up and to be checked with; None makes some up.

        Worth writing where numbers out of a hat are not an input, such as an encoded image.
        A BYTES input is one flat list of ``bytes``, row by row.
        """
        return None
