"""Every attack by its name."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.attacks.target import Target


@dataclass(frozen=True)
class Attack:
    """Something that a hostile or broken client does."""

    name: str
    #: Raises AssertionError when the server does what it should not.
    run: Callable[[Target], None]
    about: str
    #: MiB that the server may take more at the height of it: what is allowed to be in flight at
    #: once, where the attack is to fill that.
    peak_mib: int


ATTACKS: dict[str, Attack] = {}


def attack(peak_mib: int = 300) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """Enter a function into the table, under its name and with its first line."""

    def enter(run: Callable[[Target], None]) -> Callable[[Target], None]:
        about = (run.__doc__ or "").partition("\n")[0].rstrip(".")
        ATTACKS[run.__name__] = Attack(run.__name__, run, about, peak_mib)
        return run

    return enter
