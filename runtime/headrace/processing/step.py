"""What a step is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headrace.models import Batch, Context, Tensor


class Step(Protocol):
    """Makes tensors of others, for all rows of a batch at once."""

    @property
    def name(self) -> str:
        """As model.yaml writes it."""

    @property
    def takes(self) -> Sequence[str]:
        """Names of what it reads."""

    def asks(self) -> Sequence[Tensor]:
        """Return what callers have to send for it, of what it reads."""

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what it makes of tensors such as these.

        Raises:
            ModelInvalid: it cannot read them.
        """

    def load(self, context: Context) -> None:
        """Read what it needs of the version's folder."""

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return what it makes of arrays in the host's memory; a row it cannot read it rejects."""

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return what callers might send for it: ``rows`` of each that it asks for."""
