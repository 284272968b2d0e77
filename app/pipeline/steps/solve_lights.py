"""Astrometry and quality of every light; a frame that cannot be solved says why and stays in the batch."""

from __future__ import annotations

from typing import ClassVar

from app.model.batch import Combination
from app.pipeline.measure import measure_file
from app.pipeline.products import lights_of
from app.pipeline.step import Context, Findings, Step


class SolveLights(Step):
    """Measure the stars of every light and find where it points."""

    name: ClassVar[str] = "astrometry"
    code: ClassVar[int] = 170
    description: ClassVar[str] = "lights could not be measured"

    def run(self, context: Context, findings: Findings) -> None:
        """Write quality and position into each light and record both."""

        def solve(light: Combination) -> None:
            if light.wcs is None:
                found = measure_file(light.file, light.facts, context.settings)
                context.store.record_measurement(light.key, found.checksum, found.qc, found.wcs)
                wcs = found.wcs
            else:
                wcs = light.wcs
            if wcs["status"] == "unsolved":
                findings.warn(light.path.name, f"unsolved: {wcs['reason']}")

        self.for_each(lights_of(context), solve, lambda light: light.path.name, context, findings)
