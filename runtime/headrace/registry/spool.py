"""Reports in files, as `headrace.spool` has them.

FOLDER/000000000012-metrics.json   one that is to be delivered
FOLDER/MODEL/VERSION/00…           one that is kept for people, on its version's shelf
"""

from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from headrace import spool
from headrace.registry.facts import Place
from headrace.registry.report import Kind, Report, as_json, from_json
from headrace.spool import Bounds, by_age, by_kind


@dataclass(frozen=True)
class Model:
    """Whose reports are delivered in their order: an alias is one model's, and not a version's."""

    place: Place
    name: str


@dataclass(frozen=True)
class Pending:
    """A report in a file."""

    number: int
    kind: Kind
    model: Model
    version: int
    bytes: int

    @property
    def shelf(self) -> Path:
        """The folders of its version, where each has its own."""
        return Path(self.model.name, str(self.version))


class Spool(spool.Spool[Report, Pending]):
    """Reports; metrics go before states where there is no room, and verdicts last."""

    what: ClassVar[str] = "reports to the registry"
    one: ClassVar[str] = "report to a registry"
    #: A report with everything that `headrace.registry.report` allows has less.
    most_bytes: ClassVar[int] = 5 << 20

    def __init__(
        self, folder: Path, bounds: Bounds, say: Callable[[str], None], *, has_shelves: bool = False
    ) -> None:
        """As `headrace.spool.Spool`; ``has_shelves``: each version has folders of its own."""
        self._has_shelves = has_shelves
        self.pattern = "*/*/*.json" if has_shelves else "*.json"
        # What waits is worth more than its age; what only lies there is not.
        super().__init__(folder, bounds, say, by_age if has_shelves else by_kind)

    def filed(self, number: int, item: Report, size: int) -> Pending:
        """As `headrace.spool.Spool` has it."""
        return Pending(number, item.kind, Model(item.place, item.model), item.version, size)

    def as_json(self, item: Report) -> Any:
        """As `headrace.spool.Spool` has it."""
        return as_json(item)

    def from_json(self, found: Any) -> Report:
        """As `headrace.spool.Spool` has it."""
        return from_json(found)

    def first(self, models: Set[Model], most: int, most_bytes: int) -> list[tuple[Pending, Report]]:
        """Return the oldest reports of some models: at most so many, or one that is larger."""
        return self.oldest(lambda one: one.model in models, most, most_bytes)

    def path(self, one: Pending) -> Path:
        """Return where the file of one is."""
        path = super().path(one)
        return path.parent / one.shelf / path.name if self._has_shelves else path

    def _unlink(self, one: Pending) -> None:
        super()._unlink(one)
        if self._has_shelves:
            shelf = self.folder / one.shelf
            for folder in (shelf, shelf.parent):
                with suppress(OSError):
                    folder.rmdir()
