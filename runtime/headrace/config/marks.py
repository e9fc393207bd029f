"""Where in a YAML file each thing stands."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]
Place = tuple[int, int]

#: A model.yaml is a page; a file beyond this is something else.
MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Document:
    """A YAML file as values, and the line and column (from 1) of each."""

    value: Any
    #: Of a value that is a list's item, or of the key that names it.
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return the place of what ``path`` leads to, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


@dataclass(frozen=True)
class Unreadable(Exception):
    """The file is not YAML as we read it."""

    place: Place
    text: str


def read(text: str) -> Document:
    """Return a document; aliases, tags of Python and double keys are refused.

    Raises:
        Unreadable: with the place and what is wrong there.
    """
    if len(text) > MOST_BYTES:
        raise Unreadable((1, 1), f"the file is larger than {MOST_BYTES} bytes")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        places: dict[Path, Place] = {}
        _walk(node, (), places, set())
        return Document(loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Unreadable(place, error.problem or "not YAML") from error
    except yaml.YAMLError as error:
        raise Unreadable((1, 1), str(error)) from error
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: Path, places: dict[Path, Place], seen: set[int]) -> None:
    mark = node.start_mark
    if id(node) in seen:
        # An alias is its anchor's node again: a few lines of them would be a walk without end.
        raise Unreadable(places.get(path, (1, 1)), "YAML aliases (*name) are not read here")
    seen.add(id(node))
    # A value's place is that of the key that named it, which was set before.
    places.setdefault(path, (mark.line + 1, mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            if (*path, name) in places:
                raise Unreadable(place, f"{name!r} is written twice")
            places[(*path, name)] = place
            _walk(value, (*path, name), places, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), places, seen)
