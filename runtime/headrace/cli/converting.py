"""`headrace convert`: from Triton's config.pbtxt to a model.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.cli.tables import aligned
from headrace.config.triton import text
from headrace.config.triton.convert import Converted
from headrace.config.triton.convert import convert as to_ours
from headrace.config.triton.finding import Finding, Verdict
from headrace.errors import ConfigInvalid
from headrace.repository.folder import CONFIG, backends


def convert(source: Path) -> tuple[Path, Converted]:
    """Return the config.pbtxt that ``source`` is or holds, and what it comes to.

    Raises:
        ConfigInvalid: there is none, or it cannot be read; with line and column.
    """
    file = source.absolute()
    if file.is_dir():
        file /= text.FILE
    folder = file.parent
    found = backends(folder)
    # Where nothing is, or versions differ, a class is still to be written.
    backend = found.pop() if len(found) == 1 else "python"
    return file, to_ours(text.read(file), folder.name, backend=backend)


def model_yaml(converted: Converted) -> str:
    """Return the file as it is written, without the end of its last line."""
    return text.written(converted.settings).rstrip("\n")


def write(file: Path, converted: Converted) -> Path:
    """Write model.yaml beside the config.pbtxt at ``file``; return its path.

    Raises:
        ConfigInvalid: one is there already, or none can be written.
    """
    path = file.parent / CONFIG
    try:
        with path.open("x", encoding="utf-8") as new:
            new.write(text.written(converted.settings))
    except FileExistsError:
        raise ConfigInvalid(f"{path} is there already; nothing was written") from None
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be written ({error.strerror})") from error
    return path


def lines(converted: Converted) -> Iterator[str]:
    """Yield what became of each field, and what the class has to declare."""
    rows = [(one.verdict.value, one.field, _what(one)) for one in converted.findings]
    yield from aligned([("VERDICT", "FIELD", "WHAT"), *rows])
    if converted.backend == "python":
        for side, tensors in (("inputs", converted.inputs), ("outputs", converted.outputs)):
            if tensors:
                yield f"the class: {side} = [{', '.join(one.line for one in tensors)}]"
    counts = [
        (sum(one.verdict is verdict for one in converted.findings), verdict.value)
        for verdict in Verdict
    ]
    yield ", ".join(f"{count} {name}" for count, name in counts)


def as_json(converted: Converted) -> dict[str, Any]:
    """Return it as a program reads it."""
    return {
        "model_yaml": converted.settings,
        "fields": [
            {
                "field": one.field,
                "verdict": one.verdict.value,
                "text": one.text,
                "settings": {".".join(key): value for key, value in one.settings.items()},
            }
            for one in converted.findings
        ],
        "inputs": [one.facts() for one in converted.inputs],
        "outputs": [one.facts() for one in converted.outputs],
    }


def _what(one: Finding) -> str:
    said = ", ".join(f"{'.'.join(key)}: {_value(value)}" for key, value in one.settings.items())
    # On one line, whatever a value has in it.
    return " ".join("; ".join(part for part in (said, one.text) if part).split())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(one["name"] if isinstance(one, dict) else one for one in value)
    return str(value)
