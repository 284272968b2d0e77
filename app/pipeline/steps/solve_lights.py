"""Astrometry and quality of every light; a frame that cannot be solved says why and stays in the batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from app.model.batch import Combination, ProductKind
from app.model.errors import ObservatoryError
from app.model.flags import Qc
from app.model.frame import FrameFacts
from app.model.settings import Settings
from app.pipeline.events import Progress
from app.pipeline.external_solvers import is_installed
from app.pipeline.library import lenses
from app.pipeline.measure import Measuring, measure_file, needed
from app.pipeline.products import lights_of
from app.pipeline.step import FATAL, Context, Findings, Step


class SolveLights(Step):
    """Measure the stars of every light and find where it points."""

    name: ClassVar[str] = "astrometry"
    code: ClassVar[int] = 170
    description: ClassVar[str] = "lights could not be measured"

    def run(self, context: Context, findings: Findings) -> None:
        """Write quality and position into each light and record both, as many at a time as there are workers.

        The whole sky is searched for two lights of a target first, and for the others when one of these was found.
        """
        lights = lights_of(context)
        exposures = {exposure.key: exposure for exposure in context.store.exposures(context.batch.key)}
        order = _Order(context, {light.key: exposures[light.exposures[0]].facts for light in lights})
        scouts = {key for target in _targets(lights, order).values() for key in (target[0], target[len(target) // 2])}
        places: dict[int, dict[str, Any]] = {}
        found: set[Hashable] = set()
        for is_scout in (True, False):
            some = [light for light in lights if (light.key in scouts) is is_scout]
            found = {order.target(light) for light in lights if places.get(light.key, {}).get("status") == "solved"}
            jobs = [order.job(light, may_search=is_scout or order.target(light) in found) for light in some]
            places |= self._measured(context, findings, list(zip(some, jobs, strict=True)), len(lights), len(places))
        of_scout = {order.target(light): places.get(light.key, {}) for light in reversed(lights) if light.key in scouts}
        told: dict[str, list[str]] = {}
        for light in lights:
            place = places.get(light.key, {})
            if place.get("status") == "unsolved":
                is_searched = light.key in scouts or order.target(light) in found
                # What was not searched for is as lost as what was, for the same reason: one sentence tells of all.
                reason = (
                    place["reason"] if is_searched else of_scout[order.target(light)].get("reason", place["reason"])
                )
                told.setdefault(f"unsolved: {reason}", []).append(light.path.name)
        findings.warn_of(told)

    def _measured(
        self,
        context: Context,
        findings: Findings,
        orders: list[tuple[Combination, Measuring | None]],
        total: int,
        done: int,
    ) -> dict[int, dict[str, Any]]:
        """Where the lights point, by key, those that are due measured now; one that cannot be is given up."""
        places: dict[int, dict[str, Any]] = {}
        jobs = [job for _, job in orders if job is not None]
        with context.workers.each(measure_file, jobs, context.cancel.check) as futures:
            for number, (light, job) in enumerate(orders, 1):
                try:
                    if job is None:
                        places[light.key] = light.wcs or {}
                    else:
                        found = next(futures).result()
                        wcs = found.wcs
                        if wcs["status"] == "unsolved":
                            wcs = wcs | {"tried": tried(job.facts, context.settings)}
                        context.store.record_measurement(light.key, found.checksum, {**light.qc, **found.qc}, wcs)
                        places[light.key] = wcs
                except FATAL:
                    raise
                except ObservatoryError as error:
                    findings.give_up(light.path.name, error)
                context.report(Progress(self.name, done + number, total, light.path.name))
        return places


class _Order:
    """What is to be done for the lights of a run."""

    def __init__(self, context: Context, facts: dict[int, FrameFacts]) -> None:
        self._settings, self._facts = context.settings, facts
        self._own = {one.key for one in context.store.combinations(context.batch.key)}
        self._trains = lenses(context, next(iter(facts.values()))) if facts else ()

    def job(self, light: Combination, *, may_search: bool) -> Measuring | None:
        """How a light is measured; None when it was already and nothing changed."""
        facts = self._facts[light.key]
        wcs = light.wcs
        if wcs is not None and (wcs["status"] != "unsolved" or wcs.get("tried") == tried(facts, self._settings)):
            return None
        flags = Qc.UNCALIBRATED if light.kind is ProductKind.UNCALIBRATED_LIGHT else Qc(0)
        if not self._own.issuperset(light.uses):
            flags |= Qc.LIBRARY_MASTER
        settings = needed(self._settings, may_search=may_search)
        return Measuring(light.file, facts, settings, trains=self._trains, flags=flags)

    def target(self, light: Combination) -> Hashable:
        """What lights of one target through one camera have in common."""
        facts = self._facts[light.key]
        where = None
        if facts.ra_deg is not None and facts.dec_deg is not None:
            where = round(facts.ra_deg), round(facts.dec_deg)
        return facts.object_name, where, facts.instrument, facts.binning, facts.pixel_scale_arcsec


def _targets(lights: Sequence[Combination], order: _Order) -> dict[Hashable, list[int]]:
    """Keys of the lights of each target, by time."""
    found: dict[Hashable, list[int]] = {}
    for light in lights:
        found.setdefault(order.target(light), []).append(light.key)
    return found


def tried(facts: FrameFacts, settings: Settings) -> list[Any]:
    """What decides whether a light can be solved, JSON: when it changes, an unsolved one is tried again."""
    limits = settings.astrometry
    return [
        facts.ra_deg,
        facts.dec_deg,
        facts.pixel_scale_arcsec,
        settings.calibration.position_radius_deg,
        [solver for solver in limits.solvers if solver == "cupola" or is_installed(solver)],
        limits.blind,
    ]
