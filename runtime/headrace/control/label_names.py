"""What labels are counted by, beside a version: segments, and scores of their senders' own."""

from typing import Final

from sqlalchemy import Connection, insert, select

from headrace.control.label_tables import NAME
from headrace.errors import Unwanted

#: What all others of a model are counted as, once it has so many.
OTHER: Final = "other"
MOST_SEGMENTS: Final = 50
#: Of a model.
MOST_SCORES: Final = 32
#: What a name is of.
SEGMENT_KIND: Final = "segment"
SCORE_KIND: Final = "score"


class Names:
    """Segments and scores of models, and no more of them than are kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], set[str]] = {}

    def segment(self, model: str, name: str) -> str:
        """Return what a segment is counted as."""
        return name if not name or self._has(model, SEGMENT_KIND, name, MOST_SEGMENTS) else OTHER

    def check_score(self, model: str, name: str) -> None:
        """Raise Unwanted where a model has as many scores already as are kept."""
        if not self._has(model, SCORE_KIND, name, MOST_SCORES):
            raise Unwanted(
                f"model {model!r} has {MOST_SCORES} scores, and no more are kept: {name!r} is "
                "another; nothing of this request was joined"
            )

    def _has(self, model: str, kind: str, name: str, most: int) -> bool:
        mine = NAME.c.model == model, NAME.c.kind == kind
        known = self._known.get((model, kind))
        if known is None:
            known = set(self._connection.execute(select(NAME.c.name).where(*mine)).scalars())
            self._known[model, kind] = known
        if name not in known and len(known) < most:
            self._connection.execute(insert(NAME).values(model=model, kind=kind, name=name))
            known.add(name)
        return name in known
