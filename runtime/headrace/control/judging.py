"""What a rollout has in the traffic of its model: versions that are counted, and one twice."""

from dataclasses import dataclass

from headrace.repository.instances import is_control, spoken


@dataclass(frozen=True)
class Judged:
    """A version that gateways count the runs of, for a rollout."""

    version: int
    #: Beyond what an answer is slow, in ns, of each quantile that is judged.
    slow_ns: tuple[int, ...] = ()
    #: Another one's count begins anew.
    rollout: int = 0
    #: It gets copies of so much of what others answer, in parts of 10000, as a shadow does.
    mirror: int = 0
    #: As a shadow's.
    repeatable: bool = False
    #: Units are users, each once in this step; another one's count begins anew.
    users_at_step: int | None = None
    #: What others answer they answer once more for each copy: how far they agree with themselves.
    noise: bool = False


@dataclass(frozen=True)
class Control:
    """The second instance of a version that a rollout has, in hosts of their own."""

    version: int
    #: What it takes of the version's own part, in parts of 10000.
    share: int
    #: It has as many replicas as this version.
    like: int


def kept_as(number: int) -> int | str:
    """Return what the database has for the number of an instance."""
    # As ever where it is a version's own; the other is a number for machines alone.
    return spoken(number) if is_control(number) else number
