"""What is set in a message of protobuf's, by its path from the top."""

from collections.abc import Iterator
from typing import Any


def paths(message: Any) -> Iterator[str]:
    """Yield every field that is set, and of messages those below them."""
    for path, _, _ in leaves(message):
        yield path


def leaves(message: Any, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path, descriptor and value of what is set and has nothing set below it."""
    for field, value in message.ListFields():
        name = f"{above}{field.name}"
        if hasattr(value, "keys"):
            held = [(f"{name}[{key!r}]", value[key]) for key in value]
        elif field.message_type and hasattr(value, "__len__"):
            held = [(f"{name}[{at}]", one) for at, one in enumerate(value)]
        else:
            held = [(name, value)]
        for path, one in held:
            below = list(leaves(one, f"{path}.")) if hasattr(one, "ListFields") else []
            yield from below or [(path, field, one)]


def nameless(message: Any) -> Iterator[str]:
    """Yield what is set to a number that its enumeration has no name for, and the number."""
    for path, field, value in leaves(message):
        if field.enum_type and value not in field.enum_type.values_by_number:
            yield f"{path}: there is no {value} in {field.enum_type.name}"
