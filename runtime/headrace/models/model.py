"""The class that a model's author derives from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.models.batch import Batch
from headrace.models.context import Context
from headrace.models.imported import imported
from headrace.models.sequence import Sequence as Request
from headrace.models.tensor import Tensor


class Model:
    """One version of a model: its tensors, how it loads, and how it answers.

    One object serves every request of its process. ``load`` runs once; then ``predict`` runs from
    a thread of its own, ``concurrency`` at a time. Where PyTorch was imported ``predict`` runs
    under ``torch.inference_mode()``.

    What comes before and behind it for one batch, in ``prepare`` and ``finish``, is done by other
    lanes while the model has another batch (``placement.lanes``).
    """

    #: What callers send. The batch axis is implied.
    inputs: Sequence[Tensor]
    #: What ``predict`` returns. The batch axis is implied.
    outputs: Sequence[Tensor]
    #: How many ``predict`` may run at once. Most models are not safe for more than one.
    concurrency: int = 1
    #: What ``predict`` returns is written to by no later one: with a GPU it is copied back while
    #: the next batch is computed. Not for a model that returns a buffer which it uses again.
    outputs_are_new: bool = False

    def load(self, context: Context) -> None:
        """Make the model ready, where there is something to be made ready.

        What this raises is shown as the reason why it failed.
        """

    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        """Return what ``predict`` finds in its batch by its name, beside what was sent.

        Such as tokens of texts: arrays, or anything else. Each lane calls it for its own batch, at
        any time: what it shares with other methods has to be safe for that.
        """
        return {}

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Return for each declared output an array of shape ``[batch.rows, *shape]``.

        An array may be of NumPy, PyTorch, CuPy or anything with DLPack; a BYTES output is lists of
        ``bytes`` or ``str``, which may be flat where the shape has no -1. What this raises answers
        the callers of this batch with an error and harms no other batch.
        """
        raise NotImplementedError

    def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
        """Return the declared outputs, of what ``predict`` returned for this batch.

        Such as texts of tokens. ``outputs`` are in the host's memory: NumPy's, where ``predict``
        returned arrays or tensors. Each lane calls it for its own batch, as ``prepare``.
        """
        return outputs

    def stream(self, batch: Batch) -> Iterator[Mapping[str, Any]]:
        """Yield the parts of the answer to one request, each as ``predict`` returns an answer.

        Instead of ``predict``, where model.yaml says ``streams: true``. Requests take turns: one
        ``next()`` each, all in one thread. What this raises ends its own request alone; a caller
        that leaves closes the generator.
        """
        raise NotImplementedError

    def step(self, sequences: Sequence[Request]) -> None:
        """Go on with all requests at once: emit a part of each, and end those that are done.

        Instead of ``stream``, for models that compute many requests together. Called again and
        again while there are any. One that joined has ``state`` None; one whose caller left is not
        in the list any more. What this raises ends all of them.
        """
        raise NotImplementedError

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether ``predict`` raised this because its batch was too large for the memory.

        Such a batch runs again in smaller ones, where model.yaml says ``repeatable: true``, and no
        later batch is as large.
        """
        torch = imported("torch")
        kinds = (MemoryError, torch.OutOfMemoryError) if torch is not None else MemoryError
        return isinstance(error, kinds)

    def example(self, rows: int) -> Mapping[str, Any] | None:
        """Return inputs of ``rows`` rows to warm up and to be checked with; None makes some up.

        Worth writing where numbers out of a hat are not an input, such as an encoded image.
        A BYTES input is one flat list of ``bytes``, row by row.
        """
        return None


def overrides(model: Model, method: str) -> bool:
    """Return whether the model's class has a ``method`` of its own."""
    return getattr(type(model), method) is not getattr(Model, method)
