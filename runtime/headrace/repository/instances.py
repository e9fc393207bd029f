"""A version that stands twice: in its own hosts, and in others as the control of a rollout.

The second one has a number of its own wherever what runs is told apart: tables, frames, counts. To
callers, models and whoever reads a version's files both are one; the core has the same numbers.
"""

from dataclasses import replace
from typing import Final

from headrace.repository.folder import Version

#: Folders number versions below this.
CONTROLS: Final = 10**18


def control_of(number: int) -> int:
    """Return the number of a version's control."""
    return number + CONTROLS


def is_control(number: int) -> bool:
    """Whether a number is no version's own."""
    return number >= CONTROLS


def version_of(number: int) -> int:
    """Return the number of the version that callers know: its own, or its control's."""
    return number % CONTROLS


def spoken(number: int) -> str:
    """Return what people are shown of a number: ``3``, or ``3+control``."""
    return f"{version_of(number)}{'+control' * is_control(number)}"


def number_of(text: str | int) -> int:
    """Return the number that `spoken` made this of.

    Raises:
        ValueError: it is none.
    """
    number, plus, word = str(text).partition("+")
    if plus and word != "control":
        raise ValueError(f"expected a version such as 3 or 3+control, not {text!r:.40}")
    return control_of(int(number)) if plus else int(number)


def shown(label: str) -> str:
    """Return what people are shown of a label: ``photos/3``, or ``photos/3+control``."""
    model, slash, number = label.rpartition("/")
    return f"{model}/{spoken(int(number))}" if slash and number.isdecimal() else label


def original(label: str) -> str:
    """Return the label of the version that another one, perhaps its control's, is of."""
    return shown(label).removesuffix("+control")


def control(version: Version, like: Version) -> Version:
    """Return a version's control, with as many replicas as one that it is compared with has."""
    own, others = version.config.placement, like.config.placement
    placement = own.model_copy(update={"replicas": others.replicas})
    config = version.config.model_copy(update={"placement": placement})
    return replace(version, number=control_of(version.number), config=config)
