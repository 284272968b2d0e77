"""What each amplifier of a camera is like tonight: bias level, read noise and gain, and whether it lives.

Read noise is that of the difference of two bias frames; gain comes by photon transfer from two flats of about one
level: the more electrons make an adu, the less an adu varies (Janesick 2001, Scientific Charge-Coupled Devices, 2.2;
the difference of two frames takes out the pattern of the flat).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader, FrameSource
from app.frames.provenance import CardRow
from app.frames.readout import Section
from app.model.batch import Exposure
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import differences
from app.model.settings import Camera
from app.pipeline.step import Context
from app.pipeline.workers import Check

Floats = NDArray[np.float64]

#: A measured gain that differs by more than this part from the known one is warned of.
GAIN_TOLERANCE = 0.2
#: An amplifier with less than this part of the others' noise or signal is dead.
DEAD_PART = 0.05

#: Every amplifier is sampled in so many strips, which are cut into square blocks of this side, in pixels.
_STRIPS = 4
_BLOCK = 32
_MOST_PAIRS = 3
#: Two flats make a pair when their levels differ by less than this factor: twilight fades.
_LEVEL_RATIO = 2.0
_CLIP_SIGMA = 5.0
_SIGMA_PER_MAD = 1.4826
#: Nothing is clipped nearer to the median than whole numbers can tell.
_LEAST_SIGMA_ADU = 0.5


@dataclass(frozen=True, slots=True)
class AmplifierJob:
    """Raw frames of one camera set-up that its amplifiers are measured by, in order of time.

    Attributes
    ----------
    biases : tuple of FrameSource
        Raw bias frames; two give the read noise.
    flats : tuple of FrameSource
        Raw flats of one filter, neither saturated nor underexposed; two give the gain.
    bias_master : FrameSource or None
        Gives the bias level where there is neither raw bias nor overscan.
    """

    biases: tuple[FrameSource, ...] = ()
    flats: tuple[FrameSource, ...] = ()
    bias_master: FrameSource | None = None


@dataclass(frozen=True, slots=True)
class AmplifierNoise:
    """What was measured of one amplifier; None is not known.

    Attributes
    ----------
    number : int
        From 1, as in the header or the settings.
    bias_adu : float or None
        Bias level: of its overscan, else of the bias frames.
    read_noise_adu : float or None
        Standard deviation.
    gain_e_per_adu : float or None
        By photon transfer.
    signal_adu : float or None
        Level of the flats over the bias.
    is_dead : bool
        The settings say so; or it has no noise, or no signal in the flats, where others have.
    """

    number: int
    bias_adu: float | None = None
    read_noise_adu: float | None = None
    gain_e_per_adu: float | None = None
    signal_adu: float | None = None
    is_dead: bool = False


def measure_amplifiers(job: AmplifierJob, check: Check) -> tuple[AmplifierNoise, ...]:
    """Measure every amplifier from strips of the frames: a pure task.

    Parameters
    ----------
    job : AmplifierJob
        All frames have one readout.
    check : callable
        Raises when the work should stop.

    Returns
    -------
    tuple of AmplifierNoise
        In order of number; a frame without sections has one amplifier. Empty without frames.

    Raises
    ------
    FrameError
        A frame cannot be read.
    """
    frames = (*job.biases, *job.flats)
    if not frames:
        return ()
    offsets = _offsets(job, check)
    variances = _of_pairs(job.biases, lambda number, one, other: _variances(one - other) / 2.0, check)
    found = []
    for number in range(len(_places(frames[0]))):
        overscan = _overscan(frames[0], number)
        level = offsets.get(number) if overscan is None else _median(frame.levels_adu[number] for frame in frames)
        variance = _median(variances.get(number, ()))
        noise = None if variance is None else math.sqrt(variance)
        found.append(AmplifierNoise(number + 1, level, noise, is_dead=_is_known_dead(frames[0], number)))
    return _with_dead(_with_gains(found, job.flats, offsets, check))


def measured(context: Context, job: AmplifierJob) -> tuple[AmplifierNoise, ...]:
    """`measure_amplifiers` as a task of the workers; raises as it does."""
    with context.workers.each(measure_amplifiers, [job], context.cancel.check) as futures:
        return next(futures).result()


def biases_of(context: Context, facts: FrameFacts) -> tuple[Exposure, ...]:
    """Raw bias frames of the batch that fit a flat: as many as are looked at."""
    biases = context.store.exposures(context.batch.key, FrameKind.BIAS)
    return tuple(bias for bias in biases if not differences(bias.facts, facts))[: _MOST_PAIRS + 1]


def doubts(found: Sequence[AmplifierNoise], known_gain_e_per_adu: float | None, camera: Camera) -> tuple[str, ...]:
    """Say to the operator which gains contradict the settings or the header, and which amplifiers died.

    Parameters
    ----------
    found : sequence of AmplifierNoise
        What was measured.
    known_gain_e_per_adu : float or None
        Of settings or header: `FrameFacts.gain_e_per_adu`.
    camera : Camera
        Its settings.
    """
    sentences = []
    for one in found:
        gain = one.gain_e_per_adu
        if one.is_dead and one.number not in camera.dead_amplifiers:
            sentences.append(
                f"amplifier {one.number} is dead, it has no noise or no signal where others have: "
                f"add {one.number} to dead_amplifiers in the camera's settings"
            )
        elif gain and known_gain_e_per_adu and abs(gain / known_gain_e_per_adu - 1.0) > GAIN_TOLERANCE:
            sentences.append(
                f"gain of amplifier {one.number}: the {'settings say' if camera.gain_e_per_adu else 'card says'} "
                f"{known_gain_e_per_adu:.3g} e-/adu, the flats say {gain:.3g}, more than {100 * GAIN_TOLERANCE:g} % "
                "apart: set gain_e_per_adu in the camera's settings"
            )
    return tuple(sentences)


def amplifier_cards(found: Sequence[AmplifierNoise], known_gain_e_per_adu: float | None = None) -> list[CardRow]:
    """Cards of a master: BIASLV, RDNADU, RDNOISE, EGAINM; of several amplifiers BIASLV1, RDNADU1, RDNOIS1, GAIN1, ...

    Parameters
    ----------
    found : sequence of AmplifierNoise
        What was measured; what is not known has no card.
    known_gain_e_per_adu : float, optional
        Of settings or header; the read noise in electrons takes the measured one where there is none.
    """
    rows: list[CardRow] = []
    for one in found:
        gain = known_gain_e_per_adu or one.gain_e_per_adu
        noise_e = one.read_noise_adu * gain if one.read_noise_adu is not None and gain else None
        names = ("BIASLV", "RDNADU", "RDNOISE", "EGAINM") if len(found) == 1 else _numbered(one.number)
        values = (one.bias_adu, one.read_noise_adu, noise_e, one.gain_e_per_adu)
        texts = (
            "[adu] bias level",
            "[adu] read noise, by bias pairs",
            "[e-] read noise",
            "[e-/adu] by photon transfer",
        )
        for name, measured, text in zip(names, values, texts, strict=True):
            if measured is not None:
                rows.append((name, float(f"{measured:.5g}"), text))
    return rows


def amplifier_numbers(found: Sequence[AmplifierNoise], known_gain_e_per_adu: float | None = None) -> dict[str, float]:
    """The numbers of `amplifier_cards`, for the quality numbers of a combination."""
    return {name: float(number) for name, number, _ in amplifier_cards(found, known_gain_e_per_adu)}


def gain_of(found: Sequence[AmplifierNoise]) -> float | None:
    """One gain for the whole camera, e-/adu: the median of its amplifiers; for cameras whose gain nobody says."""
    return _median(one.gain_e_per_adu for one in found)


def _numbered(number: int) -> tuple[str, ...]:
    return tuple(f"{name}{number}" for name in ("BIASLV", "RDNADU", "RDNOIS", "GAIN"))


def _offsets(job: AmplifierJob, check: Check) -> dict[int, float]:
    """What a reader still gives for no light, by amplifier; where overscan is off and no bias is there, the pedestal."""
    dark = job.biases or ((job.bias_master,) if job.bias_master else ())
    levels: dict[int, list[float]] = {}
    for frame in dark[: _MOST_PAIRS + 1]:
        for number, (blocks,) in _strips((frame,), check):
            levels.setdefault(number, []).append(float(np.median(blocks)))
    offsets = {number: median(found) for number, found in levels.items()}
    for frame in job.flats[:1]:
        for number in range(len(_places(frame))):
            if _overscan(frame, number) is not None:
                offsets.setdefault(number, frame.pedestal_adu)
    return offsets


def _with_gains(
    found: Sequence[AmplifierNoise], flats: Sequence[FrameSource], offsets: Mapping[int, float], check: Check
) -> list[AmplifierNoise]:
    def inverse_gains(number: int, one: Floats, other: Floats) -> Floats:
        offset = offsets.get(number, math.nan)
        return _inverse_gains(one - offset, other - offset, found[number].read_noise_adu or 0.0)

    inverses = _of_pairs(flats, inverse_gains, check)
    signals = _of_pairs(flats, lambda number, one, other: one.mean(axis=1) - offsets.get(number, math.nan), check)
    measured = []
    for number, one in enumerate(found):
        inverse = _median(inverses.get(number, ()))
        gain = 1.0 / inverse if inverse is not None and inverse > 0.0 else None
        measured.append(replace(one, gain_e_per_adu=gain, signal_adu=_median(signals.get(number, ()))))
    return measured


def _inverse_gains(one: Floats, other: Floats, noise_adu: float) -> Floats:
    """Inverse gain, adu/e-, of each block of two flats without bias; NaN where it cannot be told.

    With r the ratio of the levels, ``var(one - r other) = (1 + r) mean(one) / gain + (1 + r^2) noise^2``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = one.mean(axis=1)
        ratio = signal / other.mean(axis=1)
        shot = _variances(one - ratio[:, None] * other) - (1.0 + ratio**2) * noise_adu**2
        is_pair = (ratio > 1.0 / _LEVEL_RATIO) & (ratio < _LEVEL_RATIO) & (signal > 0.0)
        return np.where(is_pair, shot / ((1.0 + ratio) * signal), np.nan)


def _variances(blocks: Floats) -> Floats:
    """Variance of each block; stars and cosmic rays are left out."""
    centred = blocks - np.median(blocks, axis=1, keepdims=True)
    away = np.abs(centred)
    sigma = np.maximum(_SIGMA_PER_MAD * np.median(away, axis=1, keepdims=True), _LEAST_SIGMA_ADU)
    kept = np.where(away <= _CLIP_SIGMA * sigma, centred, 0.0)
    count = (away <= _CLIP_SIGMA * sigma).sum(axis=1)
    with np.errstate(invalid="ignore"):  # a block without numbers has no variance
        variances: Floats = (kept**2).sum(axis=1) / count - (kept.sum(axis=1) / count) ** 2
    return variances


def _with_dead(found: Sequence[AmplifierNoise]) -> tuple[AmplifierNoise, ...]:
    """Find those without noise or signal where others have them; one alone has nothing to be compared with."""
    noise, signal = _median(one.read_noise_adu for one in found), _median(one.signal_adu for one in found)
    return tuple(
        replace(one, is_dead=one.is_dead or _lacks(one.read_noise_adu, noise) or _lacks(one.signal_adu, signal))
        for one in found
    )


def _lacks(own: float | None, usual: float | None) -> bool:
    return own is not None and usual is not None and own < DEAD_PART * usual


def _of_pairs(
    frames: Sequence[FrameSource], measure: Callable[[int, Floats, Floats], Floats], check: Check
) -> dict[int, list[float]]:
    """What is measured of each block of frames that follow one another, by amplifier."""
    found: dict[int, list[float]] = {}
    for pair in list(pairwise(frames))[:_MOST_PAIRS]:
        for number, (one, other) in _strips(pair, check):
            found.setdefault(number, []).extend(measure(number, one, other).tolist())
    return found


def _strips(frames: Sequence[FrameSource], check: Check) -> Iterator[tuple[int, list[Floats]]]:
    """Blocks of every strip, shape (blocks, pixels) for each frame, with the amplifier's index; dead ones have none."""
    places = {number: place for number, place in enumerate(_places(frames[0])) if not _is_known_dead(frames[0], number)}
    with ExitStack() as stack:
        readers = [stack.enter_context(FrameReader(frame)) for frame in frames]
        for first_row, last_row in sorted({(place.first_row, place.last_row) for place in places.values()}):
            height = min(_BLOCK, last_row - first_row)
            for first in sorted({int(row) for row in np.linspace(first_row, last_row - height, _STRIPS)}):
                check()
                bands = [reader.read(first, first + height) for reader in readers]
                for number, place in places.items():
                    if (place.first_row, place.last_row) == (first_row, last_row):
                        yield number, [_blocks(band[:, place.first_column : place.last_column]) for band in bands]


def _blocks(strip: NDArray[np.generic]) -> Floats:
    """Cut a strip into blocks; what remains at its end is left."""
    width = min(_BLOCK, strip.shape[1])
    count = strip.shape[1] // width
    cut = strip[:, : count * width].reshape(len(strip), count, width).swapaxes(0, 1)
    return cut.reshape(count, -1).astype(np.float64)


def _places(frame: FrameSource) -> tuple[Section, ...]:
    """Where each amplifier lies in the frame that is read."""
    if frame.readout is None:
        return (Section(0, frame.rows, 0, frame.columns),)
    return tuple(amplifier.trimmed for amplifier in frame.readout.amplifiers)


def _overscan(frame: FrameSource, number: int) -> Section | None:
    return frame.readout.amplifiers[number].overscan if frame.readout else None


def _is_known_dead(frame: FrameSource, number: int) -> bool:
    return frame.readout is not None and frame.readout.amplifiers[number].is_dead


def _median(numbers: Iterable[float | None]) -> float | None:
    """Of those that are known and finite."""
    known = [number for number in numbers if number is not None and math.isfinite(number)]
    return median(known) if known else None
