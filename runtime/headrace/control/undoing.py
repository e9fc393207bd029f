"""Which changes can be undone."""

from collections.abc import Callable, Sequence

from headrace.control.store import Entry
from headrace.control.wanted import Wanted
from headrace.errors import Unwanted


def before(entry: Entry, now: Wanted, later: Callable[[], Sequence[int]]) -> Wanted:
    """Return what was wanted before an entry of the journal; ``later`` are those since.

    Raises:
        Unwanted: nothing was, or it has been changed since.
    """
    if entry.before is None:
        raise Unwanted(f"entry {entry.number} is the first of {entry.model}: nothing was before")
    if now != entry.after:
        since = ", ".join(f"{one}" for one in later())
        raise Unwanted(
            f"{entry.model} was changed since entry {entry.number}, by {since or 'a start'}: undo "
            "these first, the newest before the others"
        )
    return entry.before
