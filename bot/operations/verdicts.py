"""What became of an operation whose end nobody saw, by what is there now. Pure."""

from typing import Literal

from bot.errors import Broken, TargetDown
from bot.model.choices import RestorePreview
from bot.model.plans import Part, Plan

#: What became of a transaction whose end we did not see.
Settled = Literal["committed", "not-committed", "unclear"]


def was_committed(fate: Settled, error: BaseException, target: str) -> bool:
    """What a COMMIT that ended with ``error`` has done; ``committed`` is mostly read off the rows.

    Raises:
        Broken: it cannot be told. ``operations.ended``: never, because our transaction may have been ended
            before, and others may have changed the rows.
    """
    if fate == "committed" and isinstance(error, TargetDown) and error.key == "target.idle-too-long":
        raise Broken("operations.ended", target=target) from None
    if fate == "unclear":
        raise Broken("operations.unclear", target=target) from None
    return fate == "committed"


def verdict(preview: RestorePreview, coming: tuple[Part, ...], there: int, plan: Plan, known: str) -> Settled:
    """All that the plan would change is as it was: not committed. All of it has changed: committed.

    ``coming``: what would be overwritten now. ``there``: how many rows and links of what was chosen are as
    they are in the backup; used when something was chosen. What came back may have been edited since. Only
    when none of it is as it was could it be strangers under reused keys.
    """
    if plan.choice is not None:
        return _of_choice(preview, coming, there > plan.choice.there, plan, known)
    if plan.tables:
        planned = {part.name: part.rows for part in plan.tables}
        absent = {one.table: one.missing for one in preview.tables if one.missing}
        total = sum(one.missing + one.identical + one.different for one in preview.tables)
        identical = sum(one.identical for one in preview.tables)
    else:
        planned = {part.name: part.rows for part in plan.nullified}
        absent = {one.link: one.empty for one in preview.links if one.empty}
        total = sum(one.empty + one.identical + one.different for one in preview.links)
        identical = sum(one.identical for one in preview.links)
    if absent == planned:
        return "unclear" if known == "committed" else "not-committed"
    # More than were there before: some of those that came back are unchanged.
    if not absent and identical > total - sum(planned.values()):
        return "unclear" if known == "aborted" else "committed"
    return "unclear"


def _of_choice(
    preview: RestorePreview, coming: tuple[Part, ...], grown: bool, plan: Plan, known: str
) -> Settled:
    absent = {one.table: one.missing for one in preview.tables if one.missing}
    empty = {one.link: one.empty for one in preview.links if one.empty}
    planned = {part.name: part.rows for part in plan.tables}
    links = {part.name: part.rows for part in plan.nullified}
    if (absent, empty, coming) == (planned, links, plan.overwritten):
        # A row that was overwritten and written again since looks like one that never was. What stood there
        # before is in the fresh backup alone, which goes when it was not committed.
        blind = not planned and not links and known != "aborted"
        return "unclear" if known == "committed" or grown or blind else "not-committed"
    if not (absent or empty or coming) and grown:
        return "unclear" if known == "aborted" else "committed"
    return "unclear"
