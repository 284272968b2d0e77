"""Where a frame finds its masters: those of this run, then those of other nights that this set of products began with."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from app.model.batch import Combination, Pins, ProductKind
from app.model.frame import FrameFacts
from app.model.library import MASTERS, choose_among, library_text, nearest
from app.model.matching import DarkChoice, MasterChoice, choose_dark, differences, set_up_text
from app.pipeline.sky_fit import Distortion
from app.pipeline.step import Context

log = logging.getLogger(__name__)


def find_masters(context: Context, kind: ProductKind, wanted: FrameFacts) -> tuple[Combination, ...]:
    """Masters of this run, then those of other batches with the very same set-up, the nearest night first."""
    return _at_hand(context, kind, wanted, pinned(context, wanted))


def masters_for(context: Context, light: FrameFacts) -> MasterChoice[Combination]:
    """What a light is calibrated with, and why."""
    pins = pinned(context, light)
    at_hand = [_at_hand(context, kind, light, pins) for kind in MASTERS]
    return choose_among(light, at_hand, context.batch.key, context.settings)


def dark_for(context: Context, frame: FrameFacts) -> DarkChoice[Combination]:
    """How bias and dark current of a flat are removed, and why."""
    pins = pinned(context, frame)
    return choose_dark(
        frame,
        _at_hand(context, ProductKind.BIAS_MASTER, frame, pins),
        _at_hand(context, ProductKind.DARK_MASTER, frame, pins),
        may_scale=context.settings.camera(frame.instrument).scale_dark,
        rules=context.settings.matching,
        told=partial(_told, context, frame),
    )


def pinned(context: Context, wanted: FrameFacts) -> Pins:
    """What this set of products began with; a set-up that nobody looked up is looked up now."""
    pins = context.store.pins(context.batch.key)
    return pins if pins is not None and set_up_text(wanted) in pins.set_ups else pin(context, wanted)


def pin(context: Context, *more: FrameFacts) -> Pins:
    """Record what this set of products begins with, for all set-ups of the batch; what was recorded before stays."""
    store, batch = context.store, context.batch.key
    pins = store.pins(batch) or Pins(distortions=_remembered(context))
    of_batch = [exposure.facts for exposure in store.exposures(batch)]
    fresh = {set_up_text(facts): facts for facts in (*of_batch, *more)}
    fresh = {text: facts for text, facts in fresh.items() if text not in pins.set_ups}
    if not fresh:
        return pins
    found = {
        master.key: master
        for kind in MASTERS
        for master in store.library(kind, batch)
        if any(not differences(master.facts, facts, strict=True) for facts in fresh.values())
    }
    masters = sorted((found | {one.key: one for one in pins.masters}).values(), key=lambda one: -one.key)
    store.pin(batch, Pins(tuple(masters), (*pins.set_ups, *fresh), pins.distortions))
    return store.pins(batch) or Pins()


def lenses(context: Context, wanted: FrameFacts) -> tuple[Distortion, ...]:
    """What was remembered of lenses when this set of products began, the newest first."""
    return tuple(Distortion.from_json(known) for known in pinned(context, wanted).distortions)


def _remembered(context: Context) -> tuple[dict[str, Any], ...]:
    """The newest distortion of each lens, filter and size, by the stacks of other batches; of lights there are many."""
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for stack in context.store.library(ProductKind.LIGHT_STACK, context.batch.key):
        known = (stack.wcs or {}).get("distortion")
        if known is None:
            continue
        try:
            lens = Distortion.from_json(known)
        except ValueError as error:
            log.info("%s: %s, and is not used", stack.path, error)
            continue
        newest.setdefault((lens.camera, lens.binning, lens.filter, lens.rows, lens.columns), known)
    return tuple(newest.values())


def _at_hand(context: Context, kind: ProductKind, wanted: FrameFacts, pins: Pins) -> tuple[Combination, ...]:
    own = context.store.combinations(context.batch.key, kind)
    library = [one for one in pins.masters if one.kind is kind and one.file.is_file()]
    kept = tuple(one for one in own if one.key in context.kept)
    return kept + nearest(library, wanted, context.settings.matching)


def _told(context: Context, wanted: FrameFacts, master: Combination) -> str:
    """Nothing of the masters of this batch, age and quality of the others."""
    if master.batch == context.batch.key:
        return ""
    return library_text(master, wanted, context.settings.calibration.few_frames)
