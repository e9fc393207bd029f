"""What a model's methods return."""

from collections.abc import Mapping
from typing import Any

from headrace.errors import ModelBroken


def named(returned: Any, who: str, what: str = "output") -> Mapping[str, Any]:
    """Return what a model gave, by its names.

    Args:
        returned: what it gave.
        who: how the sentence begins that says what it should have given.
        what: of which kind that is.

    Raises:
        ModelBroken: it is no mapping.
    """
    # The first is what it is nearly always, and asked in a tenth of the time.
    if type(returned) is not dict and not isinstance(returned, Mapping):
        kind = type(returned).__name__
        raise ModelBroken(f"{who} a dict of {what} name to array, not {kind}")
    return returned
