"""What a registry tells of one version of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.errors import SourceInvalid

#: What we run a version by, the preferred first: a graph has no code of its own, a program of
#: PyTorch or scikit-learn is called as it is, and python_function may be anything.
FLAVOURS: Final = ("onnx", "pytorch", "sklearn", "python_function")


@dataclass(frozen=True)
class Place:
    """Where MLflow is asked."""

    #: Knows runs and logged models, and where their files are.
    tracking: str
    #: Knows names, versions and aliases.
    registry: str

    @property
    def addresses(self) -> tuple[str, str]:
        """Both; either may have a password in it."""
        return self.tracking, self.registry


@dataclass(frozen=True)
class Signature:
    """The tensors or columns of a model, as MLflow writes them: two texts of JSON."""

    inputs: str | None
    outputs: str | None


@dataclass(frozen=True)
class Facts:
    """One version, as the registry has it now."""

    place: Place
    model: str
    number: int
    #: By which it was found; None if by its number.
    alias: str | None
    #: That logged it; None where it was registered without one.
    run_id: str | None
    #: URI of the folder of its files.
    artifacts: str
    #: In MLflow's order.
    flavours: Sequence[str]
    #: None: it was logged without one.
    signature: Signature | None
    tags: Mapping[str, str]
    #: SHA-256 of its MLmodel, which names the logged model, the run and the time.
    digest: str

    @property
    def label(self) -> str:
        """The version's name in messages, such as ``photos/3``."""
        return f"{self.model}/{self.number}"


def as_json(facts: Facts) -> dict[str, Any]:
    """Return it as JSON takes it."""
    return asdict(facts)


def from_json(told: Mapping[str, Any]) -> Facts:
    """Return what `as_json` made this of."""
    signature = told["signature"]
    rest = {name: value for name, value in told.items() if name not in ("place", "signature")}
    return Facts(
        place=Place(**told["place"]),
        signature=None if signature is None else Signature(**signature),
        **rest,
    )


def flavour(found: Sequence[str], label: str, *, of_tensors: bool = True) -> str:
    """Return the flavour by which a version runs.

    Args:
        found: those that it was logged with.
        label: the version's name, for the message.
        of_tensors: its signature is of tensors, and not of columns, which PyTorch has none of.

    Raises:
        SourceInvalid: there is none that we run.
    """
    for one in FLAVOURS:
        if one in found and (of_tensors or one != "pytorch"):
            return one
    raise SourceInvalid(
        f"{label} has the flavours {', '.join(found) or 'none'}: expected one of "
        f"{', '.join(FLAVOURS)}; log it with one of them, such as mlflow.pyfunc.log_model"
    )
