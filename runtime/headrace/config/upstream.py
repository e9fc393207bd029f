"""What may be written in an upstream.yaml: where another server has the version."""

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from headrace.config.load import load_section
from headrace.config.section import Section

#: What the core reads; it says itself what else is wrong.
URL: Final = re.compile(r"grpc://[^/\s]+:[0-9]{1,5}/?")
#: More than any server has at work; each may hold a body.
MOST_ROWS: Final = 1 << 20


class Upstream(Section):
    """A version that another server of the Open Inference Protocol carries."""

    url: str = Field(description="grpc://HOST:PORT of the server.")
    model: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        None, description="The model's name there; as here if left out."
    )
    version: Annotated[str, Field(max_length=4096)] = Field(
        "", description="The version there, as a text; as that server chooses if left out."
    )
    rows_in_flight: Annotated[int, Field(ge=1, le=MOST_ROWS)] = Field(
        256,
        description="Rows that may be at the server at once; a request counts as many as it has. "
        "What is beyond waits in the queue.",
    )

    @field_validator("url")
    @classmethod
    def _is_of_grpc(cls, given: str) -> str:
        if not URL.fullmatch(given):
            raise ValueError(f"expected grpc://HOST:PORT, as in grpc://triton:8001, not {given!r}")
        return given


def load(path: Path) -> Upstream:
    """Return what the upstream.yaml at ``path`` says.

    Raises:
        FileNotFoundError: there is none.
        ConfigInvalid: a line ``file:line:column: what`` for each error.
    """
    return load_section(path, Upstream)


def written(one: Upstream) -> str:
    """Return the text of the file that says it."""
    from json import dumps

    # JSON's texts are YAML's.
    keys = one.model_dump(exclude_defaults=True, exclude_none=True)
    return "".join(f"{key}: {dumps(value)}\n" for key, value in keys.items())
