"""The story of a batch: what was found, what was used, how the steps go, what came of it; built of stored values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypeVar

from app.model.batch import Combination, Exposure, FileBatch, LeftOut, Problem, ProductKind, Severity, Status, StepRun
from app.model.frame import FrameKind
from app.model.matching import USUAL, Key, by_exposure, by_filter, groups
from app.model.order_life import StoredOrder
from app.model.quality_trend import TrendPoint, verdict_in
from app.model.records import LogEntry
from app.model.verdict import Verdict
from app.model.wording import count_text, night_text
from app.model.work_order import OrderState

#: A kind that was recognised with less confidence is worth a look.
SURE_ENOUGH = 0.7

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch in the list.

    Attributes
    ----------
    key : int
        Of the batch; 0 for an order whose batch has not begun.
    order : str or None
        Name of the order that waits for it or runs it.
    place : int
        Orders that come before it; 0 when it is the next, or runs.
    night : str or None
        Date of the evening, UTC; None when no frame says when it was taken.
    frames, warnings, errors : int or None
        None while they were not counted.
    """

    key: int
    name: str
    source: str
    status: Status
    order: str | None = None
    place: int = 0
    night: str | None = None
    frames: int | None = None
    warnings: int | None = None
    errors: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Frames of one kind and set-up.

    Attributes
    ----------
    size : str
        Columns x rows in pixels.
    temperature : str
        Of the detector, degrees Celsius: one, or the range.
    odd : tuple of str
        A sentence for each frame that is unlike the others.
    """

    kind: FrameKind
    filter: str | None
    exposure_s: float | None
    size: str
    binning: str
    temperature: str
    objects: str
    count: int
    odd: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Such as ``light R 30 s``."""
        return _words(str(self.kind), self.filter, _seconds(self.exposure_s))


@dataclass(frozen=True, slots=True)
class MasterUse:
    """What some lights were calibrated with, and why.

    Attributes
    ----------
    lights : str
        Which lights, with their number.
    masters : tuple of (str, Path)
        Name and file of each master.
    is_foreign : bool
        Whether a master is of another batch.
    better_now : str
        Which masters of other batches are there now, with the remedy; empty when a restart would take no other.
    """

    lights: str
    subtracted: str
    subtracted_why: str
    flat_why: str
    masters: tuple[tuple[str, Path], ...]
    is_foreign: bool = False
    better_now: str = ""


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step of the newest run.

    Attributes
    ----------
    done, total : int
        Pieces of the running step; total 0 when it does not say.
    what : str
        What it works on, or what it came to.
    seconds : float or None
        How long it took, or runs already.
    eta_s : float or None
        What is left; None when it cannot be known.
    problems : int
        Warnings and errors.
    """

    name: str
    title: str
    status: Status
    done: int = 0
    total: int = 0
    what: str = ""
    seconds: float | None = None
    eta_s: float | None = None
    problems: int = 0


@dataclass(frozen=True, slots=True)
class ProductCard:
    """A product with its numbers.

    Attributes
    ----------
    fwhm, sky, wcs : str
        With units; empty where nothing was measured.
    wcs_why : str
        Why it is unsolved.
    inputs : tuple of str
        Names of the raw frames in it.
    uses : tuple of str
        What it was made with and why, a sentence each.
    raw_path : Path or None
        The raw frame, for a product of one.
    verdict : Verdict or None
        Of a light that was judged.
    reasons : tuple of str
        Why it is doubtful or left out of stacks.
    """

    key: int
    kind: ProductKind
    title: str
    path: Path
    filter: str | None
    fwhm: str = ""
    sky: str = ""
    wcs: str = ""
    wcs_why: str = ""
    inputs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    raw_path: Path | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()

    @property
    def is_unsolved(self) -> bool:
        """Whether astrometry was tried in vain."""
        return bool(self.wcs_why)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Problems of one step that say the same, or files left out for the same reason, told once.

    Attributes
    ----------
    subjects : tuple of str
        What it is about, each named once.
    """

    severity: Severity
    step: str
    subjects: tuple[str, ...]
    message: str

    @property
    def subject(self) -> str:
        """The first, and how many more."""
        more = f" and {len(self.subjects) - 1} more" if len(self.subjects) > 1 else ""
        return f"{self.subjects[0]}{more}"


@dataclass(frozen=True, slots=True)
class BatchStory:
    """All that the page tells of one batch.

    Attributes
    ----------
    batch : FileBatch
        As the database knows it.
    verdict : str
        How it stands, in one sentence with the remedy.
    order : str or None
        The order that waits for it or runs it.
    is_old_set : bool
        Whether the products are those before an unfinished restart.
    more_steps : int
        Steps that have not begun.
    part : float or None
        Of all the work, by bytes, while it runs; None while it is not known.
    left_s : float or None
        Until it is done; None while that is not known.
    """

    batch: FileBatch
    night: str | None
    verdict: str
    order: str | None = None
    groups: tuple[Group, ...] = ()
    left_out: tuple[Trouble, ...] = ()
    uses: tuple[MasterUse, ...] = ()
    steps: tuple[StepLine, ...] = ()
    more_steps: int = 0
    part: float | None = None
    left_s: float | None = None
    products: tuple[ProductCard, ...] = ()
    is_old_set: bool = False
    trend: tuple[TrendPoint, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    log: tuple[LogEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class RunNow:
    """What the events of a running batch said last; times are seconds of the monotonic clock."""

    batch: int
    step: str = ""
    number: int = 0
    steps: int = 0
    done: int = 0
    total: int = 0
    what: str = ""
    began_s: float = 0.0
    bytes_done: int = 0
    bytes_total: int = 0
    left_s: float | None = None

    @property
    def part(self) -> float | None:
        """Of the work of the whole batch, by bytes; None while it is not known."""
        return self.bytes_done / self.bytes_total if self.bytes_total else None

    def begun(self, step: str, number: int, steps: int, now_s: float) -> RunNow:
        """After a step began."""
        return replace(self, step=step, number=number, steps=steps, done=0, total=0, what="", began_s=now_s)

    def progressed(self, step: str, done: int, total: int, what: str) -> RunNow:
        """After a piece was done; what another step says is late and ignored."""
        return replace(self, done=done, total=total, what=what) if step == self.step else self

    def counted(self, bytes_done: int, bytes_total: int, left_s: float | None) -> RunNow:
        """After the work of the batch was counted anew; it never goes back."""
        return replace(self, bytes_done=max(self.bytes_done, bytes_done), bytes_total=bytes_total, left_s=left_s)


def eta_s(done: int, total: int, elapsed_s: float) -> float | None:
    """Seconds left when every piece takes as long as those before it; None before the first is done."""
    return elapsed_s / done * (total - done) if 0 < done <= total else None


def night_of(exposures: Iterable[Exposure]) -> str | None:
    """The evening of the newest light, or of the newest frame when there is no light: masters may be older."""
    timed = [one for one in exposures if one.facts.started_at is not None]
    lights = [one for one in timed if one.recognition.kind is FrameKind.LIGHT]
    starts = [one.facts.started_at for one in lights or timed if one.facts.started_at is not None]
    return night_text(max(starts)) if starts else None


def groups_of(exposures: Sequence[Exposure]) -> tuple[Group, ...]:
    """The exposures by kind, set-up, and what matters for the kind: exposure of darks, filter of flats, both of lights."""
    keys: Mapping[FrameKind, tuple[Key, ...]] = {
        FrameKind.LIGHT: (by_filter, by_exposure),
        FrameKind.FLAT: (by_filter,),
        FrameKind.DARK: (by_exposure,),
        FrameKind.BIAS: (),
    }
    found = []
    for kind, kind_keys in keys.items():
        of_kind = [exposure for exposure in exposures if exposure.recognition.kind is kind]
        found += [_group(kind, members) for members in groups(of_kind, *kind_keys)]
    return tuple(found)


def _group(kind: FrameKind, members: tuple[Exposure, ...]) -> Group:
    facts = members[0].facts
    exposures_s = {one.facts.exposure_s for one in members}
    objects = dict.fromkeys(one.facts.object_name for one in members if one.facts.object_name)
    return Group(
        kind,
        facts.filter if kind in (FrameKind.LIGHT, FrameKind.FLAT) else None,
        facts.exposure_s if kind is not FrameKind.FLAT or len(exposures_s) == 1 else None,
        f"{facts.columns} x {facts.rows}",
        "{} x {}".format(*facts.binning) if facts.binning else "",
        _temperatures([one.facts.temperature_degc for one in members if one.facts.temperature_degc is not None]),
        ", ".join(objects) if kind is FrameKind.LIGHT else "",
        len(members),
        tuple(_odd_ones(members)),
    )


def _odd_ones(members: Sequence[Exposure]) -> Iterable[str]:
    known = [one.facts.temperature_degc for one in members if one.facts.temperature_degc is not None]
    usual_degc = median(known) if known else 0.0
    for one in members:
        degc = one.facts.temperature_degc
        if degc is not None and abs(degc - usual_degc) > USUAL.temperature_ok_degc:
            yield f"{one.file} was taken at {_degc(degc)}, the others at {_degc(usual_degc)}"
        if one.recognition.confidence < SURE_ENOUGH:
            yield f"{one.file} is recognised with {one.recognition.confidence:.0%} only: {one.recognition.reason}"


def uses_of(
    lights: Iterable[Combination],
    others: Mapping[int, Combination],
    better_now: Callable[[Combination], str] = lambda light: "",
) -> tuple[MasterUse, ...]:
    """What the calibrated lights were made with, lights with the same masters and reasons together.

    Parameters
    ----------
    lights : iterable of Combination
        Of any kind; only lights count.
    others : mapping
        Combinations by key, as far as they are known, also of other batches.
    better_now : callable
        Tells of a light which masters a restart would take instead.
    """
    kinds = (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT)
    found: dict[tuple[object, ...], list[Combination]] = {}
    for light in lights:
        if light.kind in kinds:
            why = (light.parameters.get("subtracted_because"), light.parameters.get("flat_because"))
            setup = (light.facts.filter, light.facts.exposure_s)
            found.setdefault((setup, light.uses, why), []).append(light)
    return tuple(_use(members, others, better_now(members[0])) for members in found.values())


def _use(lights: Sequence[Combination], others: Mapping[int, Combination], better_now: str) -> MasterUse:
    first = lights[0]
    used = [others[key] for key in first.uses if key in others]
    lost = len(first.uses) - len(used)
    masters = [(master.path.name, master.file) for master in used]
    masters += [("a master that is recorded no more", Path())] * lost
    return MasterUse(
        f"{_words(first.facts.filter, _seconds(first.facts.exposure_s))} ({len(lights)})",
        str(first.parameters.get("subtracted", "")),
        str(first.parameters.get("subtracted_because", "")),
        str(first.parameters.get("flat_because", "")),
        tuple(masters),
        is_foreign=bool(lost) or any(master.batch != first.batch for master in used),
        better_now=better_now,
    )


def cards_of(
    combinations: Sequence[Combination], others: Mapping[int, Combination], raw: Mapping[int, Path]
) -> tuple[ProductCard, ...]:
    """The products, what people look for first: stacks, lights, then masters.

    Parameters
    ----------
    combinations : sequence of Combination
        In the order in which they were recorded.
    others : mapping
        Combinations by key, for the names of the masters.
    raw : mapping
        Paths of raw frames by the keys of their exposures.
    """
    order = list(_PLACES)
    return tuple(_card(one, others, raw) for one in sorted(combinations, key=lambda one: order.index(one.kind)))


_PLACES = {
    ProductKind.LIGHT_STACK: "Stack",
    ProductKind.CALIBRATED_LIGHT: "",
    ProductKind.UNCALIBRATED_LIGHT: "Uncalibrated",
    ProductKind.FLAT_MASTER: "Flat",
    ProductKind.DARK_MASTER: "Dark",
    ProductKind.BIAS_MASTER: "Bias",
}


def _card(one: Combination, others: Mapping[int, Combination], raw: Mapping[int, Path]) -> ProductCard:
    facts, qc, wcs = one.facts, one.qc, one.wcs or {}
    is_light = one.kind in (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT)
    words = _words(_PLACES[one.kind], facts.filter, _seconds(facts.exposure_s))
    what = facts.object_name if one.kind is ProductKind.LIGHT_STACK else None
    time = f"{facts.started_at:%H:%M:%S}" if is_light and facts.started_at else None
    return ProductCard(
        one.key,
        one.kind,
        _words(time, words, what) or one.path.stem,
        one.file,
        facts.filter,
        _fwhm(qc.get("L1FWHM"), qc.get("FWHMPIX")),
        _adu(qc.get("L1MEDIAN", qc.get("L1MEAN"))),
        _wcs(wcs.get("status"), wcs.get("rms_arcsec")),
        str(wcs.get("reason", "")) if wcs.get("status") == "unsolved" else "",
        one.inputs,
        tuple(_reasons(one, others)),
        raw.get(one.exposures[0]) if is_light and one.exposures else None,
        verdict_in(qc),
        tuple(qc.get("reasons", ())),
    )


def _reasons(one: Combination, others: Mapping[int, Combination]) -> Iterable[str]:
    masters = ", ".join(others[key].path.name for key in one.uses if key in others)
    if "subtracted" in one.parameters:
        yield f"Subtracted: {one.parameters['subtracted']} ({one.parameters.get('subtracted_because')})"
        yield f"Flat: {one.parameters.get('flat_because')}"
        yield f"Masters: {masters or 'none'}"
    elif one.kind is ProductKind.LIGHT_STACK:
        yield f"Aligned to {one.parameters.get('reference')}, outliers rejected by {one.parameters.get('rejection')}"
    elif one.parameters.get("method"):
        yield f"Combined by {one.parameters['method']}" + (f", with {masters}" if masters else "")


def steps_of(
    runs: Iterable[StepRun], status: Status, run: RunNow | None, now_s: float, planned: Sequence[str] = ()
) -> tuple[tuple[StepLine, ...], int]:
    """The steps, those that are planned too when their names are known, and how many more there are.

    Parameters
    ----------
    runs : iterable of StepRun
        Of the newest run.
    status : Status
        Of the batch: a step that runs in a batch that does not was cut off.
    run : RunNow or None
        What events said since, of this batch.
    now_s : float
        Monotonic.
    planned : sequence of str
        Names of all steps, in order.
    """
    lines = {one.name: _step(one, status) for one in runs}
    if run is not None and run.step:
        line = lines.get(run.step, StepLine(run.step, _title(run.step), Status.RUNNING))
        if line.status is Status.RUNNING:
            elapsed_s = now_s - run.began_s
            left_s = eta_s(run.done, run.total, elapsed_s)
            line = replace(line, done=run.done, total=run.total, what=run.what, seconds=elapsed_s, eta_s=left_s)
        lines[run.step] = line
    is_going = status in (Status.RUNNING, Status.WAITING)
    if is_going:
        lines |= {name: StepLine(name, _title(name), Status.WAITING) for name in planned if name not in lines}
    more = max(0, run.steps - len(lines)) if is_going and run is not None else 0
    return tuple(lines.values()), more


def _step(one: StepRun, batch: Status) -> StepLine:
    status, what = one.status, one.error or ""
    if status is Status.RUNNING and batch is not Status.RUNNING:
        status, what = Status.FAILED, "was cut off before it ended"
    return StepLine(one.name, _title(one.name), status, what=what, seconds=one.seconds, problems=len(one.problems))


def troubles_of(runs: Iterable[StepRun]) -> tuple[Trouble, ...]:
    """Failures and problems of all steps, errors first, those that say the same told once."""
    problems: list[Problem] = []
    for run in runs:
        if run.error is not None:
            problems.append(Problem(run.code, Severity.ERROR, run.name, _title(run.name), run.error))
        problems += run.problems
    found = _gathered(problems, lambda one: (one.severity, one.step, one.message), lambda one: one.subject)
    told = [Trouble(first.severity, first.step, subjects, first.message) for first, subjects in found]
    return tuple(sorted(told, key=lambda one: one.severity is not Severity.ERROR))


def left_out_of(left_out: Iterable[LeftOut]) -> tuple[Trouble, ...]:
    """Files that take no part, those with the same reason told once."""
    found = _gathered(left_out, lambda one: one.reason, lambda one: one.file)
    return tuple(Trouble(Severity.WARNING, "left out", subjects, first.reason) for first, subjects in found)


def counts_of(runs: Sequence[StepRun]) -> tuple[int, int]:
    """Number of warnings and of errors of the newest run."""
    problems = [problem.severity for run in runs for problem in run.problems]
    failures = sum(run.error is not None for run in runs)
    return problems.count(Severity.WARNING), problems.count(Severity.ERROR) + failures


def verdict_of(batch: FileBatch, runs: Sequence[StepRun], order: StoredOrder | None, place: int) -> str:
    """How the batch stands, in one sentence; a failure with its remedy.

    Parameters
    ----------
    order : StoredOrder or None
        The newest one about this batch.
    place : int
        Orders before it, when it waits.
    """
    if order is not None and order.state is OrderState.WAITING:
        return waiting_text(place)
    if order is not None and order.state is OrderState.CANCELLING:
        return "It is being cancelled: what is finished is kept."
    match batch.status:
        case Status.RUNNING:
            return ""
        case Status.WAITING:
            return "It has not begun."
        case Status.CANCELLED:
            return "It was cancelled; what it finished is kept, and Resume goes on from there."
        case Status.FAILED:
            return _failure(runs, order)
        case _:
            return ""


def waiting_text(place: int) -> str:
    """Why an order of the Processor waits."""
    if place == 0:
        return "It waits for the Processor and is the next."
    return f"It waits for the Processor: {place} order{'s are' if place > 1 else ' is'} before it."


def _failure(runs: Sequence[StepRun], order: StoredOrder | None) -> str:
    failed = next((run for run in runs if run.error is not None), None)
    if failed is not None:
        return f"{_title(failed.name)} failed: {failed.error}."
    if order is not None and order.state is OrderState.FAILED and order.reason:
        return f"It failed: {order.reason}."
    return "It ended before it was complete: see its problems and its log, then Resume goes on from there."


def _gathered(
    items: Iterable[T], same: Callable[[T], object], name: Callable[[T], str]
) -> tuple[tuple[T, tuple[str, ...]], ...]:
    """The first of those that are the same, and the names of all."""
    found: dict[object, list[T]] = {}
    for item in items:
        found.setdefault(same(item), []).append(item)
    return tuple((members[0], tuple(dict.fromkeys(map(name, members)))) for members in found.values())


def _title(step: str) -> str:
    return step[:1].upper() + step[1:]


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _seconds(exposure_s: float | None) -> str | None:
    return f"{exposure_s:g} s" if exposure_s else None


def _degc(value: float) -> str:
    return f"{value:.1f} °C".replace("-", "−")


def _temperatures(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = min(values), max(values)
    return _degc(low) if high - low < 0.1 else f"{_degc(low)[:-3]} to {_degc(high)}"


def _fwhm(arcsec: float | None, px: float | None) -> str:
    if arcsec is not None:
        return f"{arcsec:.2f}″" + (f" ({px:.1f} px)" if px is not None else "")
    return f"{px:.2f} px" if px is not None else ""


def _adu(value: float | None) -> str:
    if value is None:
        return ""
    return f"{count_text(round(value))} adu" if abs(value) >= 100.0 else f"{value:.1f} adu".replace("-", "−")


def _wcs(status: str | None, rms_arcsec: float | None) -> str:
    if status == "solved" and rms_arcsec is not None:
        return f"solved, {rms_arcsec:.2f}″ rms"
    return {"solved": "solved", "header": "from the header", "unsolved": "not solved"}.get(status or "", "")
