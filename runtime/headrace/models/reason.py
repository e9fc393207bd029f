"""Why a model rejects what it was sent."""


def reason(why: object) -> str:
    """Return it as an answer can carry it: half a surrogate pair becomes its escape.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(why, str):
        kind = type(why).__name__
        raise TypeError(f"reject() takes why, a text that the caller is told, and not {kind}")
    return why.encode("utf-8", "backslashreplace").decode()
