"""Numbers that a model counts itself, on the server's metrics page."""

from typing import NoReturn, Protocol


class Metric(Protocol):
    """One number of a version. It is on the page for as long as the model keeps this."""

    @property
    def value(self) -> float:
        """What this process has counted."""

    def add(self, more: float) -> None:
        """Add to it.

        Raises:
            ValueError: it is no number, or is less than 0 and the metric a counter.
        """

    def set(self, value: float) -> None:
        """Set it, where it is a gauge.

        Raises:
            ValueError: it is no number, or the metric a counter.
        """


class Metrics(Protocol):
    """Makes those of one version."""

    def metric(
        self, name: str, description: str, labels: dict[str, str], *, is_counter: bool
    ) -> Metric:
        """Return the same one for the same name and labels.

        Raises:
            ValueError: it cannot be shown, or is there already as something else.
        """


class NoMetrics:
    """There is no page."""

    def metric(
        self,
        name: str,
        description: str,
        labels: dict[str, str],
        *,
        is_counter: bool,
    ) -> NoReturn:
        """Refuse.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"metric {name!r}: no server shows what this model counts")
