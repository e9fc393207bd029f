"""What may be written in an upstream.yaml: where another server has the version."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from headrace.config.load import explain, load_section
from headrace.config.section import Section
from headrace.errors import ConfigInvalid

#: What the core reads; it says itself what else is wrong.
URL: Final = re.compile(r"(grpc|http)s?://[^/\s]+:[0-9]{1,5}/?")
#: What was expected of an address that is none.
EXPECTED: Final = (
    "expected grpc://HOST:PORT or http://HOST:PORT, or with TLS grpcs:// or https://, as in "
    "grpc://triton:8001"
)
#: More than any server has at work; each may hold a body.
MOST_ROWS: Final = 1 << 20
#: Of a variable of the environment.
NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"

Text = Annotated[str, Field(min_length=1, max_length=4096)]


class StatedTensor(Section):
    """A tensor of which the server says nothing."""

    name: Text
    datatype: Text
    shape: Annotated[list[Annotated[int, Field(ge=-1)]], Field(max_length=64)]


class Upstream(Section):
    """A version that another server of the Open Inference Protocol carries."""

    url: str = Field(description="grpc://HOST:PORT of the server; or http, grpcs, https.")
    model: Text | None = Field(None, description="The model's name there; as here if left out.")
    version: Annotated[str, Field(max_length=4096)] = Field(
        "", description="The version there, as a text; as that server chooses if left out."
    )
    rows_in_flight: Annotated[int, Field(ge=1, le=MOST_ROWS)] = Field(
        256,
        description="Rows that may be at the server at once; a request counts as many as it has. "
        "What is beyond waits in the queue.",
    )
    ca: Text | None = Field(
        None,
        description="A file with certificates of who may vouch for the server, in PEM; those of "
        "the system if left out. A path is from this file's folder.",
    )
    certificate: Text | None = Field(None, description="A file with our certificate, in PEM.")
    key: Text | None = Field(None, description="And one with its key.")
    token_env: Annotated[str, Field(pattern=f"^{NAME}$", max_length=256)] | None = Field(
        None, description="The variable of the environment with the token that each call shows."
    )
    token_file: Text | None = Field(None, description="Or the file with it.")

    inputs: list[StatedTensor] = Field(
        default_factory=list,
        description="What the model takes, where the server does not tell it; with every axis.",
    )
    outputs: list[StatedTensor] = Field(default_factory=list, description="And what it makes.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        if "@" in given:
            # Not shown: what stands before it may be a password.
            raise ValueError(
                "the address names a user: token_env or token_file has what the server is shown"
            )
        if not URL.fullmatch(given):
            raise ValueError(f"{EXPECTED}, not {given!r}")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        is_tls = self.url.startswith(("grpcs:", "https:"))
        if not is_tls and any((self.ca, self.certificate, self.key)):
            raise ValueError("ca, certificate and key are for grpcs:// and https://")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are given together")
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("one of token_env and token_file has the token")
        if bool(self.inputs) != bool(self.outputs):
            raise ValueError("inputs and outputs are given together")
        return self

    def access(self, folder: Path) -> dict[str, str]:
        """Return how the server is known, and who we are to it, as the core reads that.

        ``folder``: of the file that says it.
        """
        files = {name: getattr(self, name) for name in ("ca", "certificate", "key", "token_file")}
        found = {name: str(folder.absolute() / one) for name, one in files.items() if one}
        return found | ({"token_env": self.token_env} if self.token_env else {})


def server_at(url: str, **access: Any) -> Upstream:
    """Return a server as a command names it, with what is said of how it is reached.

    Raises:
        ConfigInvalid: ``url`` is no address, or the rest does not fit it.
    """
    try:
        return Upstream(url=url, **access)
    except ValidationError as error:
        why = "; ".join(explain(one["loc"], one, Upstream) for one in error.errors())
        raise ConfigInvalid(why) from None


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
