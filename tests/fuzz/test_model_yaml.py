"""What the fuzzer found once holds for ever."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.model_yaml import any_model_yaml, any_model_yaml_in_bounds

CORPUS = sorted((Path(__file__).parent / "corpus" / "model_yaml").iterdir())


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_was_found_holds(file: Path) -> None:
    any_model_yaml_in_bounds(file.read_bytes())


@pytest.mark.parametrize("line", ["- {a: 1}\n", "parameters: {}\n", "a: 'b'\n", "[" * 40 + "\n"])
def test_a_long_file_takes_memory_in_proportion(line: str) -> None:
    any_model_yaml_in_bounds((line * (64_000 // len(line))).encode())


def test_there_is_something_to_replay() -> None:
    assert len(CORPUS) > 20


@settings(max_examples=200, deadline=None)
@given(
    data=st.sampled_from(CORPUS).map(Path.read_bytes),
    hits=st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=3)), max_size=4),
)
def test_what_lies_near_holds_too(data: bytes, hits: list[tuple[int, bytes]]) -> None:
    for at, piece in hits:
        data = data[:at] + piece + data[at + len(piece) :]
    any_model_yaml(data)
