"""Which sources a server may take versions from. Pure."""

from dataclasses import dataclass
from typing import Final

from headrace.config.source import SCHEME, STORES, Address, StoreAddress
from headrace.errors import ConfigInvalid, SourceInvalid

EXPECTED: Final = (
    "expected addresses with commas between them, such as models:/,s3://bucket/prod/, registries "
    "that a model.yaml may name, such as http://registry:5000, or none"
)


@dataclass(frozen=True)
class Allowed:
    """What addresses begin with; None allows whatever a model.yaml names."""

    beginnings: tuple[str, ...] | None = None

    def check(self, address: Address | StoreAddress, registry: str | None) -> None:
        """Return if a model.yaml may name it.

        Args:
            address: what it names.
            registry: where it says that MLflow is asked, if it says so.

        Raises:
            SourceInvalid: it is outside; the text says what is inside.
        """
        if self.beginnings is None:
            return
        for named in (str(address), registry):
            if named is not None and not any(_is_below(named, one) for one in self.beginnings):
                raise SourceInvalid(
                    f"{named} is not among the sources of this server, which are "
                    f"{', '.join(self.beginnings) or 'none'}: take another, or start with "
                    "--sources that has it"
                )


#: The files that a server is given, and what the model.yaml among them name.
ANY: Final = Allowed()


def read(text: str | None) -> Allowed:
    """Return what ``--sources`` says; None where it is not given.

    Raises:
        ConfigInvalid: it is no list of addresses.
    """
    if text is None:
        return ANY
    if text == "none":
        return Allowed(())
    given = tuple(one.strip() for one in text.split(","))
    for one in given:
        scheme, colon, _ = one.partition("://")
        known = one.startswith(SCHEME) or (colon and scheme in (*STORES, "http", "https", "sqlite"))
        if not known or ".." in one.split("/"):
            raise ConfigInvalid(f"--sources has {one!r}: {EXPECTED}")
    return Allowed(given)


def _is_below(address: str, beginning: str) -> bool:
    """Compare whole parts: what begins with s3://bucket/prod is not of s3://bucket/production."""
    if address == beginning:
        return True
    if beginning.endswith("/"):
        return address.startswith(beginning)
    return address.startswith((f"{beginning}/", f"{beginning}@"))
