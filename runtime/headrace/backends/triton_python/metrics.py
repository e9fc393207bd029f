"""`pb_utils.MetricFamily` and `Metric`: what a model counts itself."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from headrace.backends.triton_python import calls
from headrace.backends.triton_python.refusals import TritonModelException, refuse


class MetricFamily:
    """Numbers of one name, which differ in their labels."""

    COUNTER: Final = 0
    GAUGE: Final = 1
    HISTOGRAM: Final = 2

    def __init__(self, name: str, description: str, kind: int) -> None:
        """Take the name; it is checked as the first number is made.

        Raises:
            TritonModelException: the kind is none that is served.
        """
        if kind not in (self.COUNTER, self.GAUGE):
            refuse("MetricFamily.HISTOGRAM", "count what is below each bound, with a label for it")
        self.name, self.description, self.is_counter = name, description, kind == self.COUNTER
        self._metrics = calls.context().metrics
        #: As Triton has it: `family.Metric(labels={...})`.
        self.Metric = partial(Metric, self)


class Metric:
    """One number, on the page for as long as the model keeps it."""

    def __init__(self, family: MetricFamily, labels: Mapping[str, str] | None = None) -> None:
        """Begin with 0; the same name and labels are the same number.

        Raises:
            TritonModelException: the name or a label cannot be shown.
        """
        try:
            self._metric = family._metrics.metric(
                family.name, family.description, dict(labels or {}), is_counter=family.is_counter
            )
        except ValueError as error:
            raise TritonModelException(f"Error when creating Metric: {error}") from error

    def increment(self, value: float) -> None:
        """Add to it.

        Raises:
            TritonModelException: a counter would fall.
        """
        try:
            self._metric.add(value)
        except ValueError as error:
            raise TritonModelException(f"Failed to increment metric value: {error}") from error

    def set(self, value: float) -> None:
        """Set it.

        Raises:
            TritonModelException: it is a counter.
        """
        try:
            self._metric.set(value)
        except ValueError as error:
            raise TritonModelException(f"Failed to set metric value: {error}") from error

    def value(self) -> float:
        """Return what this process has counted."""
        return self._metric.value
