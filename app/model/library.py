"""Masters of other nights: which serve a frame, how they are told, and what a light gets with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.model.batch import Combination, ProductKind
from app.model.frame import FrameFacts
from app.model.matching import MasterChoice, choose_masters, differences
from app.model.settings import Matching, Settings
from app.model.wording import frames_text

MASTERS = (ProductKind.BIAS_MASTER, ProductKind.DARK_MASTER, ProductKind.FLAT_MASTER)


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
    apart = int(abs(days) + 0.5)
    age = f"{apart} day{'s' * (apart > 1)} {'before' if days < 0 else 'after'}" if apart else "the same night"
    few = f", fewer than {few_frames}" if count < few_frames else ""
    return f"of {at:%Y-%m-%d}, {age}, from {frames_text(count)}{few}"


def days_between(one: FrameFacts, other: FrameFacts) -> float | None:
    """Days from one frame to another, negative when the other is older; None when a time is not known."""
    if one.started_at is None or other.started_at is None:
        return None
    return (other.started_at - one.started_at).total_seconds() / 86400.0


def choose_among(
    light: FrameFacts, at_hand: Sequence[Sequence[Combination]], batch: int, settings: Settings
) -> MasterChoice[Combination]:
    """What a light of a batch is calibrated with, and why; of masters of other batches their age and quality is told.

    Parameters
    ----------
    at_hand : sequence of sequence of Combination
        Biases, darks and flats, the nearest first.
    """
    biases, darks, flats = at_hand
    few_frames = settings.calibration.few_frames
    return choose_masters(
        light,
        biases,
        darks,
        flats,
        may_scale=settings.camera(light.instrument).scale_dark,
        rules=settings.matching,
        told=lambda master: "" if master.batch == batch else library_text(master, light, few_frames),
    )


def better_now(
    light: FrameFacts,
    uses: Sequence[int],
    own: Iterable[Combination],
    library: Iterable[Combination],
    batch: int,
    settings: Settings,
) -> str:
    """Masters of other batches that a restart would take for a light and that it was not made with.

    Parameters
    ----------
    uses : sequence of int
        Keys of the masters that it was made with.
    own, library : iterable of Combination
        Masters of its batch, and those of others that are there now.

    Returns
    -------
    str
        One sentence with the remedy; empty when a restart would change nothing.
    """
    own = list(own)
    near = nearest(library, light, settings.matching)
    at_hand = [[one for one in (*own, *near) if one.kind is kind] for kind in MASTERS]
    fresh = [one for one in choose_among(light, at_hand, batch, settings).masters if one.key not in uses]
    told = [
        f"{one.path.name} {library_text(one, light, settings.calibration.few_frames)}"
        for one in fresh
        if one.batch != batch
    ]
    if not told:
        return ""
    is_, it = ("are", "them") if len(told) > 1 else ("is", "it")
    return f"now there {is_} {' and '.join(told)}: restart the batch to use {it}"
