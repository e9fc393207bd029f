"""What must hold of a model.yaml, whatever is in it."""

import tempfile
import tracemalloc
from pathlib import Path
from typing import Any, Final

import yaml

from headrace.config.file import MOST_BYTES
from headrace.config.load import MOST_ERRORS, load
from headrace.config.schema import ModelConfig
from headrace.errors import ConfigInvalid

#: Of memory, for a byte read: tokens, events and nodes are objects of hundreds of bytes each.
MOST_HELD: Final = 2500
#: However short the file is: what Python itself keeps of imports and of caches.
HELD_BESIDE: Final = 4 << 20
#: Characters of one error: a path, a place, a reason that quotes what is written.
MOST_SAID: Final = 2000


def any_model_yaml(data: bytes) -> None:
    """Read a file of these bytes: it is a model.yaml, or it is told what is wrong and where."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        file = Path(folder) / "model.yaml"
        file.write_bytes(data)
        try:
            config = load(file)
        except ConfigInvalid as error:
            _check_told(str(error), file, data)
        else:
            _check_read(config, data)
            file.write_text(_dumped(config))
            assert _dumped(load(file)) == _dumped(config), (
                "it is read another way from its own dump"
            )


def any_model_yaml_in_bounds(data: bytes) -> None:
    """Do so within memory; apart, for it takes four times as long."""
    tracemalloc.start()
    try:
        any_model_yaml(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MOST_HELD * len(data) + HELD_BESIDE, f"{len(data)} bytes took {peak}"


def _check_told(message: str, file: Path, data: bytes) -> None:
    message.encode()  # it is printed, and logged
    # A message quotes keys and values, whose ends of lines are escaped.
    lines = message.split(f"{file}:")[1:]
    assert 1 <= len(lines) <= MOST_ERRORS + 1, message
    ends = data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xe2\x80")
    for line in lines:
        row, column, said = line.split(":", 2)
        assert 1 <= int(row) <= ends + 2, line
        assert 1 <= int(column) <= len(data) + 1, line
        assert said.strip(), line
        assert len(line) <= MOST_SAID or len(line) <= len(data) + 300, line


def _check_read(config: ModelConfig, data: bytes) -> None:
    """What is taken is what PyYAML reads there."""
    assert len(data) <= MOST_BYTES
    theirs: Any = yaml.safe_load(data.decode()) or {}
    assert config.model_fields_set == set(theirs)
    assert yaml.safe_dump(config.parameters) == yaml.safe_dump(theirs.get("parameters", {}))
    names = [entry["name"] for entry in theirs.get("inputs") or ()]
    assert [entry.name for entry in config.inputs or ()] == names
    assert config.batching.queue_rows >= config.batching.max_rows >= 1
    assert config.placement.gpus >= 0


def _dumped(config: ModelConfig) -> str:
    return yaml.safe_dump(config.model_dump(exclude_unset=True))
