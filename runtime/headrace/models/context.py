"""What a model is told when it loads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import CallFailed
from headrace.models.calling import Answer, Call, Caller, Nobody, Ongoing
from headrace.models.metrics import Metric, Metrics, NoMetrics

if TYPE_CHECKING:
    import logging


@dataclass(frozen=True)
class Context:
    """Where a version lives and what it runs on."""

    #: Name of the model, as callers write it.
    model: str
    version: int
    #: The version's own folder: its files and what it imports are there.
    folder: Path
    #: ``"cpu"`` or ``"cuda:0"``, as ``placement.gpus`` in model.yaml asks for.
    device: str = "cpu"
    #: All of them, of a version that asks for several GPUs; the first is ``device``.
    devices: Sequence[str] = ("cpu",)
    #: ``parameters`` of model.yaml, as they are written there.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Makes the calls of the version, and what it counts.
    caller: Caller = field(default_factory=Nobody, repr=False, compare=False)
    metrics: Metrics = field(default_factory=NoMetrics, repr=False, compare=False)

    def call(self, model: str, inputs: Mapping[str, Any], **how: Any) -> Mapping[str, Any]:
        """Ask another model, and return its outputs by name: read-only arrays ``[rows, *shape]``.

        An ordinary request of this server: ``inputs`` as any client sends them, routed, batched and
        counted as anybody's. Any thread may call, once the version serves. ``how``: ``version``,
        ``outputs``, ``parameters``, ``timeout_s`` and ``id``, as `Call` has them.

        Raises:
            CallFailed: it was not answered; ``code`` and the text say why.
            TypeError: an input or a parameter is what cannot be sent.
        """
        return _only(self.caller.begin(Call(model, inputs, **how)).next()).outputs

    async def call_async(
        self, model: str, inputs: Mapping[str, Any], **how: Any
    ) -> Mapping[str, Any]:
        """Do as `call`, and let the event loop go on meanwhile: for many at once.

        Cancelled, it takes the call back.
        """
        ongoing = self.caller.begin(Call(model, inputs, **how))
        await ongoing.when_ready()
        return _only(ongoing.next()).outputs

    def call_in_parts(
        self, model: str, inputs: Mapping[str, Any], **how: Any
    ) -> Iterator[Mapping[str, Any]]:
        """Do as `call` for a model with any number of answers, and yield the outputs of each.

        The call is sent at once. Who closes the generator takes it back.
        """
        return _parts(self.caller.begin(Call(model, inputs, **how), in_parts=True))

    def counter(self, name: str, description: str, **labels: str) -> Metric:
        """Return a number of the server's metrics page that only grows, by its ``add()``.

        Keep it: it is on the page for as long as the model does. What several hosts of the version
        count is added up there.

        Raises:
            ValueError: the name or a label is none of Prometheus's, or is the server's own.
        """
        return self.metrics.metric(name, description, labels, is_counter=True)

    def gauge(self, name: str, description: str, **labels: str) -> Metric:
        """Do as `counter` for a number that is set, by its ``set()``, or goes up and down."""
        return self.metrics.metric(name, description, labels, is_counter=False)

    @property
    def log(self) -> "logging.Logger":
        """A logger whose lines reach the terminal and ``headrace logs`` with the model's name."""
        import logging

        return logging.getLogger(f"headrace.model.{self.model}.{self.version}")


def _only(answer: Answer | None) -> Answer:
    if answer is None:
        raise CallFailed("internal", "the call ended without an answer")
    return answer


def _parts(ongoing: Ongoing) -> Iterator[Mapping[str, Any]]:
    try:
        while (answer := ongoing.next()) is not None:
            yield answer.outputs
    finally:
        ongoing.cancel()
