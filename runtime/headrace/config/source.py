"""What may be written under ``source`` and ``mlflow`` in a model.yaml."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, field_validator

from headrace.config.section import Section

SCHEME: Final = "models:/"
#: A name becomes a folder's. MLflow itself allows no '/' and ':' in it.
NAME: Final = re.compile(r"[^\x00-\x1f\x7f/\\:@.][^\x00-\x1f\x7f/\\:@]{0,127}")
#: As MLflow has them, which keeps v1, v2 and so on for numbers.
ALIAS: Final = re.compile(r"(?![vV][0-9]+$)[A-Za-z0-9_-]{1,255}")
VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
EXPECTED: Final = "expected models:/NAME/VERSION or models:/NAME@ALIAS"
#: Object stores, and a folder of this machine in their manner.
STORES: Final = ("s3", "gs", "az", "file")
#: What is not written as it is in addresses cannot be a part of one.
PART: Final = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f/\\?#%@:]{1,255}")
MOST_CHARACTERS: Final = 1024
EXPECTED_STORE: Final = (
    "expected s3://BUCKET/PATH/MODEL for its highest version, or s3://BUCKET/PATH/MODEL/VERSION; "
    "gs://, az:// and file:/// alike"
)


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


@dataclass(frozen=True)
class StoreAddress:
    """A model's folder in an object store, with a folder for each version, named by its number."""

    #: Without a slash at its end.
    folder: str
    #: None is the highest one that is there.
    version: int | None = None

    @property
    def model(self) -> str:
        """The name of the folder."""
        return self.folder.rpartition("/")[2]

    def __str__(self) -> str:
        return self.folder if self.version is None else f"{self.folder}/{self.version}"


def parse(text: str) -> Address | StoreAddress:
    """Return the address that is written as ``models:/photos/3`` or ``s3://bucket/photos``.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    scheme, is_store, path = text.partition("://")
    if is_store and scheme in STORES:
        return _in_store(scheme, path)
    if not text.startswith(SCHEME):
        raise ValueError(
            f"{text!r} is no address of a registry: {EXPECTED}, or of an object store, such as "
            "s3://BUCKET/MODEL"
        )
    return _in_registry(text)


def _in_store(scheme: str, path: str) -> StoreAddress:
    text = f"{scheme}://{path}"
    if "@" in path:
        # Not shown: what stands before it may be a password.
        raise ValueError(
            f"the address of {scheme}:// names a user: credentials are taken from the environment"
        )
    local = scheme == "file"
    parts = path.removesuffix("/").split("/")
    if local and parts[0]:
        raise ValueError(f"{text!r} names a host: expected file:/// and a path of this machine")
    parts = parts[1:] if local else parts
    wrong = [part for part in parts if not PART.fullmatch(part)]
    if wrong or len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"{text[:MOST_CHARACTERS]!r} has a part {wrong[0] if wrong else parts[-1]!r:.100}: "
            f"{EXPECTED_STORE}, without '..', '\\', '?', '#', '%' and ':'"
        )
    version = int(parts.pop()) if VERSION.fullmatch(parts[-1]) else None
    if len(parts) < 1 + (not local) or not NAME.fullmatch(parts[-1]):
        raise ValueError(f"{text!r} does not name a model's folder: {EXPECTED_STORE}")
    return StoreAddress(f"{scheme}://{'/' if local else ''}{'/'.join(parts)}", version)


def _in_registry(text: str) -> Address:
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


class Source(Section):
    """Where a model's versions come from, if not from the folders beside model.yaml."""

    address: str = Field(
        description="A version in MLflow's registry, as models:/NAME/VERSION or "
        "models:/NAME@ALIAS, or a model's folder in an object store, as s3://BUCKET/PATH/MODEL."
    )
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="Of its files; others are refused. Default: whatever is there."
    )

    @field_validator("address")
    @classmethod
    def _an_address(cls, given: str) -> str:
        parse(given)
        return given

    @property
    def parsed(self) -> Address | StoreAddress:
        """The address, read."""
        return parse(self.address)


def written_short(given: object) -> object:
    """Return the section that a bare address stands for; all else as it is.

    Raises:
        ValueError: it is neither an address nor a section.
    """
    if isinstance(given, str):
        return {"address": given}
    if not isinstance(given, dict | Source):
        raise ValueError(f"expected an address, or {{address: …, sha256: …}}, not {given!r:.100}")
    return given


class Reported(Section):
    """What a registry is told: an account may have rights to one part, and not to another."""

    tags: bool = Field(True, description="Tags of versions: state, traffic, verdict and reason.")
    aliases: bool = Field(True, description="The alias of champion moves to what is promoted.")
    runs: bool = Field(True, description="Runs with metrics, the verdict and its picture.")


class Registry(Section):
    """Where ``source`` is looked up."""

    registry: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="URI of MLflow's tracking server and registry. Default: MLFLOW_REGISTRY_URI "
        "and MLFLOW_TRACKING_URI, else mlflow.db in the state folder.",
    )
    report: Reported = Field(
        Reported(),
        description="What becomes of versions is told to it; true and false stand for all of it.",
    )
    champion: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None,
        description="The alias that a rollout moves from the baseline to the version that it "
        "promotes, unless somebody has moved it meanwhile. Default: none is moved.",
    )

    @field_validator("report", mode="before")
    @classmethod
    def _one_word_stands_for_all(cls, given: object) -> object:
        return dict.fromkeys(Reported.model_fields, given) if isinstance(given, bool) else given

    @field_validator("champion")
    @classmethod
    def _an_alias(cls, given: str | None) -> str | None:
        if given is not None and not ALIAS.fullmatch(given):
            raise ValueError(f"{given!r} is no alias: expected {ALIAS.pattern}")
        return given
