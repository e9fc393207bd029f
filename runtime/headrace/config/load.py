"""A model.yaml, read and checked: all errors at once, each with its place."""

from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeVar, get_origin

from pydantic import ValidationError

from headrace.config.file import read_text
from headrace.config.marks import Document, Unreadable, read
from headrace.config.schema import ModelConfig
from headrace.config.section import AtItem, Section
from headrace.errors import ConfigInvalid

Read = TypeVar("Read", bound=Section)

#: pydantic's kinds of error → our words. `{input}` is what was written.
WORDS: Final[dict[str, str]] = {
    "bool_type": "expected true or false, not {input}",
    "dict_type": "expected keys and values, not {input}",
    "float_type": "expected a number, not {input}",
    "int_from_float": "expected a whole number, not {input}",
    "int_type": "expected a whole number, not {input}",
    "missing": "{key} is missing",
    "model_type": "expected keys and values, not {input}",
    "string_type": "expected a text, not {input}",
    "tuple_type": "expected a list, not {input}",
}

#: Characters of a wrong value: enough to know it by.
MOST_SHOWN: Final = 200
#: Errors told at once. Who has more has written something else than a model.yaml.
MOST_ERRORS: Final = 50


def load(path: Path) -> ModelConfig:
    """Return what the model.yaml at ``path`` says; without a file, the defaults.

    Raises:
        ConfigInvalid: a line ``file:line:column: what`` for each error.
    """
    try:
        return load_section(path, ModelConfig)
    except FileNotFoundError:
        return ModelConfig()


def load_section(path: Path, section: type[Read], *, or_pipe: bool = False) -> Read:
    """Return what the file at ``path`` says, or the pipe, which is one section.

    Raises:
        FileNotFoundError: there is none.
        ConfigInvalid: a line ``file:line:column: what`` for each error.
    """
    text = read_text(path, or_pipe=or_pipe)
    try:
        document = read(text)
    except Unreadable as error:
        line, column = error.place
        raise ConfigInvalid(f"{path}:{line}:{column}: {error.text}") from error
    try:
        return section.model_validate(document.value)
    except ValidationError as error:
        raise ConfigInvalid("\n".join(_lines(path, document, error, section))) from error


def _lines(
    path: Path, document: Document, error: ValidationError, section: type[Section]
) -> list[str]:
    found = []
    for detail in error.errors(include_url=False):
        cause = detail.get("ctx", {}).get("error")
        where = (*detail["loc"], *(cause.below if isinstance(cause, AtItem) else ()))
        found.append((document.place(where), where, detail))
    found.sort(key=lambda one: one[0])
    told = [(at, explain(where, detail, section)) for at, where, detail in found[:MOST_ERRORS]]
    lines = [f"{path}:{line}:{column}: {what}" for (line, column), what in sorted(told)]
    if len(found) > MOST_ERRORS:
        line, column = found[MOST_ERRORS][0]
        lines.append(f"{path}:{line}:{column}: {len(found) - MOST_ERRORS} more errors from here on")
    return lines


def explain(where: tuple[str | int, ...], detail: Any, section: type[Section] = ModelConfig) -> str:
    """Return what is wrong at a key of ``section``, of one of pydantic's errors."""
    key, kind = _named(where), detail["type"]
    if kind == "extra_forbidden":
        return _unknown(where, section)
    if kind == "value_error":
        # What is wrong with an item of a list says not of which.
        told = str(detail["ctx"]["error"])
        return f"{key}: {told}" if where and isinstance(where[-1], int) else told
    if kind in WORDS:
        words = WORDS[kind].format(input=_shown(detail["input"]), key=repr(key))
        return f"{key}: {words}{_as_number(kind, detail['input'])}"
    return f"{key}: {detail['msg'][:1].lower()}{detail['msg'][1:]}, not {_shown(detail['input'])}"


def _named(where: tuple[str | int, ...]) -> str:
    """Return what a place is called: its key, with those of the lists that it is in, as a[0]."""
    named = ""
    for step in reversed(where):
        if isinstance(step, str):
            return f"{step}{named}"
        named = f"[{step}]{named}"
    return named or "the file"


def _as_number(kind: str, given: Any) -> str:
    """Return what to write instead of a number that YAML takes for a text, as it does 1e-3."""
    if kind != "float_type" or not isinstance(given, str):
        return ""
    try:
        number = float(given)
    except ValueError:
        return ""
    if not isfinite(number) or (number == 0.0 and given.strip("+-0.eE")):
        # One that no float has.
        return ""
    digits, _, power = repr(number).partition("e")
    # Without a point it would be a text again.
    written = f"{float(digits)}e{power}" if power else digits
    return f": YAML takes that for a text, write {written}"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _unknown(where: tuple[str | int, ...], root: type[Section]) -> str:
    key, section = str(where[-1]), _section_at(where[:-1], root)
    if key in section.NOT_YET:
        return f"{key!r} is not built yet: {section.NOT_YET[key]}; take it out"
    from difflib import get_close_matches

    known = list(section.model_fields)
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _section_at(where: tuple[str | int, ...], section: type[Section]) -> type[Section]:
    """Return the section that ``where`` leads to from ``section``."""
    names = False
    for step in where:
        if names:
            names = False  # the key of a mapping, which may be any
        elif isinstance(step, str):
            annotation = section.model_fields[step].annotation
            names = get_origin(annotation) is dict
            section = _section_in(annotation)
    return section


def _section_in(annotation: Any) -> type[Section]:
    """Return the section inside ``Section``, a tuple or mapping of it, or ``... | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    parts = [part for part in annotation.__args__ if part not in (type(None), ...)]
    return _section_in(parts[-1])
