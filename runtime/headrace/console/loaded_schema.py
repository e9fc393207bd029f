"""What the console answers of a version that is to be loaded."""

from headrace.console.schema import Answer


class Loaded(Answer):
    """The version that is to be loaded."""

    model: str
    version: int
    quarantined: str
