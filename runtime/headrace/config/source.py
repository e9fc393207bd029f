"""What may be written under ``source`` and ``mlflow`` in a model.yaml."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from headrace.config.section import Section

SCHEME: Final = "models:/"
#: A name becomes a folder's. MLflow itself allows no '/' and ':' in it.
NAME: Final = re.compile(r"[^\x00-\x1f\x7f/\\:@.][^\x00-\x1f\x7f/\\:@]{0,127}")
#: As MLflow has them, which keeps v1, v2 and so on for numbers.
ALIAS: Final = re.compile(r"(?![vV][0-9]+$)[A-Za-z0-9_-]{1,255}")
VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
EXPECTED: Final = "expected models:/NAME/VERSION or models:/NAME@ALIAS"


@dataclass(frozen=True)
class Address:
    """One version in a registry: by its number, or by an alias that somebody may move."""

    model: str
    #: None where there is an alias.
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        which = f"@{self.alias}" if self.version is None else f"/{self.version}"
        return f"{SCHEME}{self.model}{which}"


def parse(text: str) -> Address:
    """Return the address that is written as ``models:/photos/3`` or ``models:/photos@champion``.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    if not text.startswith(SCHEME):
        raise ValueError(f"{text!r} is no address of a registry: {EXPECTED}")
    rest = text.removeprefix(SCHEME)
    model, slash, number = rest.partition("/")
    aliased, at, alias = model.partition("@")
    if not NAME.fullmatch(aliased):
        raise ValueError(
            f"{aliased!r} is not served as a model's name: {EXPECTED}, with a NAME of at most 128 "
            "characters, without '/', '\\', ':' and '@', that does not begin with a '.'"
        )
    if not slash and not at:
        raise ValueError(
            f"{text!r} does not say which version: write {text}/1 for version 1, or "
            f"{text}@champion for the one that has the alias champion"
        )
    if slash and at:
        raise ValueError(f"{text!r} says more than one thing: {EXPECTED}")
    if at:
        return Address(aliased, alias=_alias(alias))
    if not VERSION.fullmatch(number):
        raise ValueError(
            f"{number!r} is not the number of a version, and stages are not followed: {EXPECTED}"
        )
    return Address(model, version=int(number))


def _alias(given: str) -> str:
    if given == "latest" or not ALIAS.fullmatch(given):
        raise ValueError(
            f"{given!r} is no alias that MLflow knows: expected letters, digits, '_' and '-', and "
            "neither latest nor v1, v2 and so on"
        )
    return given


class Registry(Section):
    """Where ``source`` is looked up."""

    registry: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="URI of MLflow's tracking server and registry. Default: MLFLOW_REGISTRY_URI "
        "and MLFLOW_TRACKING_URI, else mlflow.db in the state folder.",
    )
