"""The parts of `headrace_core` that running models needs, as types."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class CoreBatch(Protocol):
    """A sealed batch; owed one `complete` or `fail`."""

    @property
    def rows(self) -> int: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]: ...
    def live(self) -> Sequence[bool]: ...
    def reject(self, row: int, why: str) -> None: ...
    def complete(self, outputs: Mapping[str, Any]) -> str | None: ...
    def fail(self, message: str) -> None: ...


class CoreIntake(Protocol):
    """Where one version's batches come from."""

    def next_batch(self, lane: int) -> CoreBatch | None: ...


class CoreHost(Protocol):
    """Carries versions."""

    def open(
        self,
        contract: str,
        *,
        concurrency: int | None = None,
        hang_timeout_s: float | None = None,
    ) -> CoreIntake: ...
    def next_hang(self) -> str | None: ...
    def close(self, model: str, version: int) -> None: ...
