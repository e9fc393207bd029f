"""What a step is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from headrace.models import Batch, Context, Tensor


class Step(ABC):
    """Makes tensors of others, for all rows of a batch at once."""

    #: As model.yaml writes it.
    name: ClassVar[str]
    #: Names of what it reads.
    takes: Sequence[str]

    def asks(self) -> Sequence[Tensor]:
        """Return what callers have to send for it, of what it reads."""
        return []

    @abstractmethod
    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what it makes of tensors such as these.

        Raises:
            ModelInvalid: it cannot read them.
        """

    def load(self, context: Context) -> None:  # noqa: B027 - most need nothing
        """Read what it needs of the version's folder."""

    @abstractmethod
    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return what it makes, by name; a row that it cannot read it rejects."""

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return what callers might send for it: ``rows`` of each that it asks for."""
        return {}
