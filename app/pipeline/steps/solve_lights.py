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
        exposures = {exposure.key: exposure for exposure in context.store.exposures(context.batch.key)}
        radius_deg = context.settings.calibration.position_radius_deg

        def solve(light: Combination) -> None:
            facts = exposures[light.exposures[0]].facts
            hint = [facts.ra_deg, facts.dec_deg, facts.pixel_scale_arcsec, radius_deg]
            wcs = light.wcs
            if wcs is None or (wcs["status"] == "unsolved" and wcs.get("tried") != hint):
                found = measure_file(light.file, facts, context.settings)
                wcs = found.wcs | {"tried": hint} if found.wcs["status"] == "unsolved" else found.wcs
                context.store.record_measurement(light.key, found.checksum, {**light.qc, **found.qc}, wcs)
            if wcs["status"] == "unsolved":
                findings.warn(light.path.name, f"unsolved: {wcs['reason']}")

        self.for_each(lights_of(context), solve, lambda light: light.path.name, context, findings)
