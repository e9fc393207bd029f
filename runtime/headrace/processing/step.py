"""What a step is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation


class Step(ABC):
    """Makes tensors of others, for all rows of a batch at once."""

    #: As model.yaml writes it.
    name: ClassVar[str]
    #: It computes with kernels, which need more than the host where there is a GPU.
    uses_kernels: bool = False
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

    def load(  # noqa: B027 - some need nothing
        self, context: Context, kernels: Implementation
    ) -> None:
        """Read what it needs of the version's folder, and keep what it computes with.

        Raises:
            ModelInvalid: that is not there, or cannot be read.
        """

    @abstractmethod
    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return what it makes, by name; a row that it cannot read it rejects.

        Of ``preprocess`` it reads what callers sent, in the host's memory; of ``postprocess`` what
        lies where its kernels compute.
        """

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return what callers might send for it: ``rows`` of each that it asks for."""
        return {}
