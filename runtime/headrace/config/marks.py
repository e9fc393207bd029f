"""Where in a YAML file each thing stands."""

from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

Path = tuple[str | int, ...]
Place = tuple[int, int]

#: What nests deeper would exhaust the stack of whoever walks it.
MOST_LEVELS: Final = 50
#: Of a number. 1:30:15 is one to the base of 60, whose digits take time by their square.
MOST_DIGITS: Final = 400


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


NUMBERS: Final = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """Knows the place of what YAML's own functions raise on without one."""

    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.levels += 1
        if self.levels > MOST_LEVELS:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            text = f"nested more than {MOST_LEVELS} levels deep: write it flatter"
            raise Unreadable((mark.line + 1, mark.column + 1), text)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.levels -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in NUMBERS and len(node.value) > MOST_DIGITS:
            raise Unreadable(
                _place(node),
                f"'{node.value[:40]}…' is a number of {len(node.value)} characters: write one of "
                f"at most {MOST_DIGITS}, or write it in quotes if it is a text",
            )
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # A tag's function was written for good values, and raises what comes on others.
            kind = node.tag.rpartition(":")[2]
            written = str(node.value)
            written = written if len(written) <= 40 else f"{written[:40]}…"
            raise Unreadable(
                _place(node),
                f"{written!r} looks like YAML's {kind} and is none ({error}): correct it, or write "
                "it in quotes if it is a text",
            ) from error


def read(text: str) -> Document:
    """Return a document; aliases, tags of Python and double keys are refused.

    Raises:
        Unreadable: with the place and what is wrong there.
    """
    try:
        loader = _Loader(text)
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
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise Unreadable(
            (line, column), f"character {error.character:#x} is not read here: take it out"
        ) from error
    except yaml.YAMLError as error:
        raise Unreadable((1, 1), str(error)) from error
    except (OverflowError, ValueError) as error:
        # The scanner hands the digits of an escape, and of %YAML 1.1, to Python as they are.
        mark = loader.get_mark()
        text = "an escape (\\U…) or a version (%YAML …) that there is none of: correct it"
        raise Unreadable((mark.line + 1, mark.column + 1), text) from error


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _check_text(node: yaml.Node) -> None:
    try:
        str(node.value).encode()
    except UnicodeEncodeError as error:
        half = str(node.value)[error.start].encode("ascii", "backslashreplace").decode()
        text = (
            f"'{half}' is half a character, which no text may hold: write the whole, or take it out"
        )
        raise Unreadable(_place(node), text) from None


def _walk(node: yaml.Node, path: Path, places: dict[Path, Place], seen: set[int]) -> None:
    if id(node) in seen:
        # An alias is its anchor's node again: a few lines of them would be a walk without end.
        raise Unreadable(places.get(path, (1, 1)), "YAML aliases (*name) are not read here")
    seen.add(id(node))
    # A value's place is that of the key that named it, which was set before.
    places.setdefault(path, _place(node))
    if isinstance(node, yaml.ScalarNode):
        _check_text(node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _check_text(key)
            name, place = str(key.value), _place(key)
            if (*path, name) in places:
                raise Unreadable(place, f"{name!r} is written twice")
            places[(*path, name)] = place
            _walk(value, (*path, name), places, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), places, seen)
