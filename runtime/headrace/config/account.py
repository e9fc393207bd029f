"""As whom reports are told to registries, where that is not who reads there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headrace.errors import ConfigInvalid

#: Of the environment, ours → MLflow's.
NAMES: Final = {
    "HEADRACE_REPORT_USERNAME": "MLFLOW_TRACKING_USERNAME",
    "HEADRACE_REPORT_PASSWORD": "MLFLOW_TRACKING_PASSWORD",
    "HEADRACE_REPORT_TOKEN": "MLFLOW_TRACKING_TOKEN",
}
USERNAME, PASSWORD, TOKEN = NAMES


@dataclass(frozen=True)
class Account:
    """Of MLflow's; one that is empty is who reads there."""

    #: As the environment had it.
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def over(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` as a process has it that is this account."""
        if not self.environ:
            return dict(environ)
        # MLflow takes a user before a token: none of who reads may be left.
        others = {name: value for name, value in environ.items() if name not in NAMES.values()}
        return others | {NAMES[name]: value for name, value in self.environ.items()}


#: Who reads in a registry tells it as well.
WHO_READS: Final = Account()


def read(environ: Mapping[str, str]) -> Account:
    """Return what the environment says.

    Raises:
        ConfigInvalid: it says half of it, or two things.
    """
    given = {name: value for name in NAMES if (value := environ.get(name, ""))}
    if given and given.keys() not in ({USERNAME, PASSWORD}, {TOKEN}):
        raise ConfigInvalid(
            f"{' and '.join(given)} is no account to report as: set {USERNAME} and {PASSWORD}, or "
            f"{TOKEN} alone"
        )
    return Account(given)
