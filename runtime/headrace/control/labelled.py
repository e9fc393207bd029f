"""What labels say to rollouts that judge by them."""

from collections.abc import Callable, Iterable, Iterator

from headrace.config.rollouts import RolloutPlan
from headrace.control.label_units import Judged
from headrace.control.labels import Labels
from headrace.errors import StateInvalid, Unwanted
from headrace.repository.folder import Version
from headrace.rollout.counted import DATABASE, Counted, Totals
from headrace.rollout.course import Course
from headrace.rollout.criteria import by_labels


def judged(courses: Iterable[Course]) -> dict[str, Judged]:
    """Return the rollouts that labels are counted for, by model."""
    return {
        one.model: Judged(one.number, one.compared_s or one.began_unix_ms / 1000, one.plan.judge)
        for one in courses
        if _counts(one)
    }


def counted(
    labels: Labels, courses: Iterable[Course], say: Callable[[str], None]
) -> Iterator[Counted]:
    """Yield what labels have said so far, to each rollout that they are counted for.

    ``say`` hears why that is not known now.
    """
    for course in filter(_counts, courses):
        try:
            told = labels.units(course.model, course.number)
        except StateInvalid as error:
            say(f"what labels have said cannot be read: {error}")
            continue
        for version, units in told.items():
            if (lines := course.judged.get(version)) is not None:
                totals = Totals.of_labels(units, len(lines))
                yield Counted(
                    course.model, version, DATABASE, course.number, lines, course.number, totals
                )


def may_be_labelled(plan: RolloutPlan, version: Version) -> None:
    """Check that labels can tell of a version's answers, where a plan judges by them.

    Raises:
        Unwanted: its answers have no ids.
    """
    if not (asked := by_labels(plan.judge)):
        return
    if not version.is_hosted:
        raise Unwanted(
            f"{asked[0]} is what labels say, and no host runs {version.label}, whose answers have "
            f"no ids to send them with: take {asked[0]} out of the plan"
        )
    if version.config.feedback is None:
        raise Unwanted(
            f"{asked[0]} is what labels say, and answers of {version.label} have no ids to send "
            "them with: write feedback into its model.yaml and load it anew"
        )


def _counts(course: Course) -> bool:
    return bool(by_labels(course.plan.judge)) and course.end is None and course.lines is not None
