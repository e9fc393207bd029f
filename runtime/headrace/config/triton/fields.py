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


def as_dict(message: Any) -> dict[str, Any]:
    """Return a message as Triton's JSON has it: what is not set has its default, no message None.

    64-bit numbers are numbers, and enumerations their names.
    """
    made: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if hasattr(value, "keys"):
            made[field.name] = {key: _plain(field, value[key]) for key in value}
        elif hasattr(value, "__len__") and not isinstance(value, str | bytes):
            made[field.name] = [_plain(field, one) for one in value]
        elif field.has_presence and not message.HasField(field.name):
            continue
        else:
            made[field.name] = _plain(field, value)
    return made


def _plain(field: Any, value: Any) -> Any:
    if hasattr(value, "ListFields"):
        return as_dict(value)
    return field.enum_type.values_by_number[value].name if field.enum_type else value


def nameless(message: Any) -> Iterator[str]:
    """Yield what is set to a number that its enumeration has no name for, and the number."""
    for path, field, value in leaves(message):
        if field.enum_type and value not in field.enum_type.values_by_number:
            yield f"{path}: there is no {value} in {field.enum_type.name}"
