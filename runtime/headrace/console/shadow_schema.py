"""What the console's answers about shadows hold."""

from typing import Any

from headrace.console.schema import Answer


class Shadows(Answer):
    """What shadows found: copies, drops by cause, and of each version that callers have a verdict.

    docs/traffic.md says what is counted of each output.
    """

    shadows: list[dict[str, Any]]


class Worst(Answer):
    """The pairs of answers that are furthest apart, of those of one shadow; files are the server's.

    A distance is none where there was nothing to compare with.
    """

    #: How many are kept.
    most: int
    folder: str
    #: Pairs that were not kept for their size.
    too_large: int
    #: Why the last one that could not be written was not.
    error: str
    pairs: list[dict[str, Any]]
