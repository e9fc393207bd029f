"""What the fuzzer found once holds for ever."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.model_yaml import any_model_yaml

CORPUS = sorted((Path(__file__).parent / "corpus" / "model_yaml").iterdir())


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_was_found_holds(file: Path) -> None:
    any_model_yaml(file.read_bytes())


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
