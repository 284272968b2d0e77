"""Dark stacks: one for each camera set-up, exposure time, and filter if any."""

from __future__ import annotations

from typing import ClassVar

from app.model.batch import Exposure, ProductKind
from app.model.frame import FrameKind
from app.model.matching import master_groups
from app.pipeline.masters import describe, stack_master
from app.pipeline.products import Names, set_up_name
from app.pipeline.step import Context, Findings, Step


class StackDark(Step):
    """One master from the dark frames of each group; the stack still contains the bias."""

    name: ClassVar[str] = "dark stacks"
    code: ClassVar[int] = 140
    description: ClassVar[str] = "dark frames could not be stacked"

    def run(self, context: Context, findings: Findings) -> None:
        """One stack for each group, saved and recorded."""
        names = Names("masters")

        def stack(group: tuple[Exposure, ...]) -> None:
            facts = group[0].facts
            seconds = None if facts.exposure_s is None else f"{facts.exposure_s:g}s"
            path = names.path("dark", seconds, facts.filter, *set_up_name(facts))
            stack_master(context, findings, ProductKind.DARK_MASTER, path, group)

        darks = context.store.exposures(context.batch.key, FrameKind.DARK)
        groups = master_groups(FrameKind.DARK, darks, context.settings.matching)
        self.for_each(groups, stack, describe, context, findings)
