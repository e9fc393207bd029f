"""What an engine is to bring about, from what is wanted. Pure."""

from collections.abc import Mapping

from headrace.control.engine import Assignment, Divisions
from headrace.control.wanted import Wanted
from headrace.execution.policy import Division
from headrace.repository.folder import Version


def assignments(wanted: Mapping[str, Wanted], versions: Mapping[str, Version]) -> list[Assignment]:
    """Return what is to be carried; ``versions``: what each was when it was asked for, by label."""
    return [
        Assignment(versions[f"{model}/{number}"], asked)
        for model, one in sorted(wanted.items())
        for number, asked in sorted(one.versions.items())
    ]


def divisions(wanted: Mapping[str, Wanted]) -> Divisions:
    """Return how the requests of each model are divided."""
    return {
        model: Division(one.shares, one.traffic.as_policy(model)) for model, one in wanted.items()
    }
