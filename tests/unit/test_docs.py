"""What the documents say is what there is."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import headrace_core
from pydantic import BaseModel
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace import Batch, Model, Sequence
from headrace.cli.commands import app
from headrace.cli.console_client import DEFAULT_URL
from headrace.config.schema import ModelConfig, TensorEntry
from headrace.console.routes import DOCUMENT
from headrace.models.batch import SequenceRow

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
CONSOLE = (ROOT / "docs" / "console.md").read_text()
MODELS = (ROOT / "docs" / "models.md").read_text()
README = (ROOT / "README.md").read_text()


def keys(section: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        whole = field.annotation
        # One that may be left out is a union with None.
        parts = get_args(whole) if get_origin(whole) in (Union, UnionType) else [whole]
        inner: list[Any] = [one for one in parts if is_section(one)]
        if inner != [whole]:
            yield path + name
        for section in inner:
            yield from keys(section, f"{path}{name}.")


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def test_every_key_of_model_yaml_is_documented_and_no_other() -> None:
    table = MODELS.partition("## model.yaml")[2]
    first_cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    documented = [key for cell in first_cells for key in re.findall(r"`([^`]+)`", cell)]
    assert sorted(documented) == sorted(keys(ModelConfig))


def test_the_example_of_a_tensor_is_one() -> None:
    for name in TensorEntry.model_fields:
        assert f"{name}: " in MODELS


def test_every_public_part_of_a_model_and_a_batch_is_documented() -> None:
    table = MODELS.partition("## The class")[2].partition("## model.yaml")[0]
    for cls, prefix in ((Model, ""), (Batch, "batch."), (Sequence, "sequence.")):
        public = [name for name in vars(cls) if name[0] != "_"]
        assert public
        for name in public:
            assert f"{prefix}{name}" in table


def test_every_public_part_of_a_rows_sequence_is_documented() -> None:
    table = MODELS.partition("### Sequences")[2].partition("## model.yaml")[0]
    for name in (*SequenceRow.__annotations__, *vars(SequenceRow)):
        if name[0] != "_":
            assert f"`{name}`" in table


def test_every_route_of_the_console_is_documented_and_no_other(desk: Desk) -> None:
    table = CONSOLE.partition("## The API")[2].partition("\n## ")[0]
    documented = set[tuple[str, str]]()
    for cell in (row.split("|")[1] for row in table.splitlines() if row.startswith("| `")):
        (method,) = re.findall(r"`(GET|POST) ", cell)[:1]
        for path in re.findall(r"`(?:[A-Z]+ )?(/[^`?]*)", cell):
            documented.add((method, re.sub(r"[A-Z]+", "{}", path)))
    paths: Any = ask(desk.sources, "GET", DOCUMENT).body
    routes = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in paths["paths"].items()
        for method in methods
    }
    # It speaks no JSON.
    assert documented == routes | {("GET", "/metrics")}


def test_every_command_that_the_readme_shows_is_one() -> None:
    shown = re.findall(r"^\.venv/bin/headrace (\w+)", README, re.MULTILINE)
    assert shown == ["status", "infer", "logs", "errors", "why", "apply", "load"]
    assert {
        command.callback.__name__ for command in app.registered_commands if command.callback
    } > {*shown}
    assert f"`HEADRACE_URL`, {DEFAULT_URL} if unset" in README


def test_every_limit_is_documented_as_it_is() -> None:
    table = PROTOCOL.partition("## Limits")[2]
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", table, re.MULTILINE)
    assert {name: int(number) for name, number in rows} == headrace_core.limits()
    assert len(rows) == len(headrace_core.limits())
