"""What Triton's Python backend has and Headrace has not, by its name."""

import ast
from collections.abc import Iterator
from typing import Any, Final, NoReturn

#: What a model imports.
MODULE: Final = "triton_python_backend_utils"
NO_REPOSITORY: Final = "models are loaded as the server starts, and by no model"
#: Names of the module that are not served.
REFUSED: Final = {
    "InferenceTrace": "requests have no traces",
    "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE": "a request runs once: iterate in execute()",
    "is_model_ready": NO_REPOSITORY,
    "load_model": NO_REPOSITORY,
    "unload_model": NO_REPOSITORY,
}
#: Methods of a model's own class.
METHODS: Final = {
    "is_ready": "a version is ready once it is loaded and warmed up: take is_ready() out",
}


class TritonModelException(Exception):
    """What a model raises, and what it is told of what is not served."""


def refuse(name: str, why: str) -> NoReturn:
    """Raise what names it.

    Raises:
        TritonModelException: always.
    """
    raise TritonModelException(f"pb_utils.{name} is not served: {why}")


class Refused:
    """Stands for a name that is not served: whatever is done with it says so."""

    def __init__(self, name: str, why: str) -> None:
        self._name = name
        self._why = why

    def __call__(self, *given: Any, **named: Any) -> NoReturn:
        refuse(self._name, self._why)

    def __getattr__(self, attribute: str) -> NoReturn:
        refuse(self._name, self._why)


def refused_in(source: str) -> Iterator[str]:
    """Yield ``line N: pb_utils.NAME: why`` for what a model's text names and is not served.

    Whatever the text names otherwise (``getattr``, another module) is refused when it is used.
    """
    tree = ast.parse(source)
    aliases = {MODULE}
    named: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {one.asname for one in node.names if one.name == MODULE and one.asname}
        if isinstance(node, ast.ImportFrom) and node.module == MODULE:
            named |= {one.asname or one.name: one.name for one in node.names}
    found = set()
    for node in ast.walk(tree):
        name = _name(node, aliases, named)
        if name in REFUSED:
            found.add((node.lineno, name, REFUSED[name]))  # type: ignore[attr-defined]
    for line, name, why in sorted(found):
        yield f"line {line}: pb_utils.{name}: {why}"


def _name(node: ast.AST, aliases: set[str], named: dict[str, str]) -> str:
    """Return which name of the module an expression is; empty if none."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in aliases else ""
    return named.get(node.id, "") if isinstance(node, ast.Name) else ""
