"""What a registry's tags say of whether a version may have traffic. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace.registry.report import PREFIX

#: Of `headrace.state`, once a rollout has rolled a version back.
ROLLED_BACK: Final = "rolled_back"
#: And once a person has released it.
RELEASED: Final = "released"


@dataclass(frozen=True)
class Tagged:
    """A version of a registry, when that was last asked."""

    #: Of `headrace.state`: ours, or what a person wrote in its place; empty where there is none.
    state: str = ""
    #: The rollout that rolled it back last, as far as the registry was told.
    rolled_back: str = ""
    #: Of its last verdict.
    reason: str = ""

    @property
    def is_rolled_back(self) -> bool:
        """Whether it is to have no traffic."""
        return self.state == ROLLED_BACK


def tagged(tags: Mapping[str, str]) -> Tagged:
    """Return what the tags of a version say."""
    state = tags.get(f"{PREFIX}state", "")
    # Releases before this tag said only which rollout was the last.
    last = tags.get(f"{PREFIX}rollout", "") if state == ROLLED_BACK else ""
    by = tags.get(f"{PREFIX}{ROLLED_BACK}", last)
    return Tagged(state, by, tags.get(f"{PREFIX}reason", ""))
