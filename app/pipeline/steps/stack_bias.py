"""Bias stacks: one for each camera set-up."""

from __future__ import annotations

from typing import ClassVar

from app.model.batch import Exposure, ProductKind
from app.model.frame import FrameKind
from app.model.matching import master_groups
from app.pipeline.masters import describe, stack_master
from app.pipeline.products import Names, set_up_name
from app.pipeline.step import Context, Findings, Step


class StackBias(Step):
    """One master from the bias frames of each set-up."""

    name: ClassVar[str] = "bias stacks"
    code: ClassVar[int] = 130
    description: ClassVar[str] = "bias frames could not be stacked"

    def run(self, context: Context, findings: Findings) -> None:
        """One stack for each group, saved and recorded."""
        names = Names("masters")

        def stack(group: tuple[Exposure, ...]) -> None:
            path = names.path("bias", *set_up_name(group[0].facts))
            stack_master(context, findings, ProductKind.BIAS_MASTER, path, group)

        biases = context.store.exposures(context.batch.key, FrameKind.BIAS)
        groups = master_groups(FrameKind.BIAS, biases, context.settings.matching)
        self.for_each(groups, stack, describe, context, findings)
