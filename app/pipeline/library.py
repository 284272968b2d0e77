"""Where a frame finds its masters: those of this run, then those of other nights that this set of products began with."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from app.model.batch import Combination, Pins, ProductKind
from app.model.frame import FrameFacts
from app.model.matching import DarkChoice, MasterChoice, choose_dark, choose_masters, differences, set_up_text
from app.model.settings import Matching
from app.model.wording import frames_text
from app.pipeline.sky_fit import Distortion
from app.pipeline.step import Context

log = logging.getLogger(__name__)

MASTERS = (ProductKind.BIAS_MASTER, ProductKind.DARK_MASTER, ProductKind.FLAT_MASTER)


def find_masters(context: Context, kind: ProductKind, wanted: FrameFacts) -> tuple[Combination, ...]:
    """Masters of this run, then those of other batches with the very same set-up, the nearest night first."""
    return _at_hand(context, kind, wanted, pinned(context, wanted))


def masters_for(context: Context, light: FrameFacts) -> MasterChoice[Combination]:
    """What a light is calibrated with, and why."""
    pins = pinned(context, light)
    biases, darks, flats = (_at_hand(context, kind, light, pins) for kind in MASTERS)
    return choose_masters(
        light,
        biases,
        darks,
        flats,
        may_scale=context.settings.camera(light.instrument).scale_dark,
        rules=context.settings.matching,
        told=partial(_told, context, light),
    )


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
    """What this set of products began with; recorded when it is first asked for, for all set-ups of the batch.

    A set-up that a later run brings is looked up then, and what was pinned before stays.
    """
    store, batch = context.store, context.batch.key
    pins = store.pins(batch) or Pins(distortions=_remembered(context))
    if set_up_text(wanted) in pins.set_ups:
        return pins
    of_batch = [exposure.facts for exposure in store.exposures(batch)]
    fresh = {set_up_text(facts): facts for facts in (*of_batch, wanted)}
    fresh = {text: facts for text, facts in fresh.items() if text not in pins.set_ups}
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


def nearest(masters: Iterable[Combination], wanted: FrameFacts, rules: Matching) -> tuple[Combination, ...]:
    """Masters of other nights that fit a frame: the nearest in time first, those of unknown time last, none too far."""
    fitting = [one for one in masters if not differences(one.facts, wanted, strict=True)]
    days = {one.key: days_between(wanted, one.facts) for one in fitting}
    dated = [(abs(apart), one) for one in fitting if (apart := days[one.key]) is not None]
    near = [one for far, one in sorted(dated, key=lambda pair: pair[0]) if far <= rules.library_days]
    return (*near, *(one for one in fitting if days[one.key] is None))


def library_text(master: Combination, wanted: FrameFacts, few_frames: int) -> str:
    """Age and quality of a master of another night, such as ``of 2026-03-01, 13 days before, from 5 frames``."""
    days, at, count = days_between(wanted, master.facts), master.facts.started_at, len(master.inputs)
    if days is None or at is None:
        return f"of an unknown night, from {frames_text(count)}"
    age = f"{abs(days):.0f} days {'before' if days < 0 else 'after'}" if abs(days) >= 0.5 else "the same night"
    few = f", fewer than {few_frames}" if count < few_frames else ""
    return f"of {at:%Y-%m-%d}, {age}, from {frames_text(count)}{few}"


def days_between(one: FrameFacts, other: FrameFacts) -> float | None:
    """Days from one frame to another, negative when the other is older; None when a time is not known."""
    if one.started_at is None or other.started_at is None:
        return None
    return (other.started_at - one.started_at).total_seconds() / 86400.0


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
