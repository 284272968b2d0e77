"""How far a batch is: bytes of raw frames that its steps have gone through, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from app.model.batch import Exposure
from app.model.clock import Clock, SystemClock
from app.model.frame import FrameKind
from app.pipeline.events import Event, Progress, Report, StepEnded, StepStarted

#: Which frames a step goes through, and the seconds that a gigabyte (10^9 bytes) of them takes it on two cores: half of
#: the processor time measured on 20 frames of 4096 x 4096, kernels compiled.
COSTS: Mapping[str, tuple[FrameKind, float]] = {
    "bias stacks": (FrameKind.BIAS, 3.0),
    "dark stacks": (FrameKind.DARK, 2.0),
    "flat stacks": (FrameKind.FLAT, 6.0),
    "flat-dark correction": (FrameKind.LIGHT, 2.5),
    "astrometry": (FrameKind.LIGHT, 15.0),
    "light stacks": (FrameKind.LIGHT, 16.0),
}

#: Progress within a product is told so often, and no more.
_TELL_S = 0.2
#: Before so much was worked, or so small a part of a step, its pace says nothing.
_LEAST_S = 2.0
_LEAST_PART = 0.1


@dataclass(slots=True)
class _Share:
    """One step's share of the work: bytes, the cost of one, and what was worked on in this run."""

    total: int
    cost_s: float
    done: float = 0.0
    worked: float = 0.0
    seconds: float = 0.0

    @property
    def expected_s(self) -> float:
        return self.worked * self.cost_s

    def left_s(self, pace: float) -> float:
        """Seconds that are left, at the step's own pace when it is known."""
        own = self.seconds / self.expected_s if self.worked >= _LEAST_PART * self.total > 0.0 else pace
        return (self.total - self.done) * self.cost_s * own


class BatchProgress:
    """Counts bytes, and hands every event on with them; only the thread that runs the steps uses it.

    A step that makes products with `app.pipeline.products` counts by itself, one with several bands to a product calls
    `reached` after each band; others count by the items of their `Progress`.

    Parameters
    ----------
    report : callable
        Takes the events.
    clock : Clock
        Measures the pace.
    """

    def __init__(self, report: Report = lambda event: None, clock: Clock | None = None) -> None:
        self._report = report
        self._clock = clock or SystemClock()
        self._shares: dict[str, _Share] = {}
        self._share = _Share(0, 0.0)
        self._newest: Progress | None = None
        self._counts_products = False
        self._product = (0.0, 0.0)
        self._mark_s = self._told_s = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the work was counted."""
        return bool(self._shares)

    def expect(self, steps: Sequence[str], sizes: Mapping[FrameKind, int]) -> None:
        """Count the work, once the frames are known.

        Parameters
        ----------
        steps : sequence of str
            Names of the steps that are to come.
        sizes : mapping
            Bytes of the frames of each kind.
        """
        known = {name: COSTS[name] for name in steps if name in COSTS}
        self._shares = {name: _Share(sizes.get(kind, 0), cost_s / 1e9) for name, (kind, cost_s) in known.items()}
        self._mark_s = self._clock.monotonic()

    def take(self, event: Event) -> None:
        """Hand an event on, progress with its bytes."""
        match event:
            case StepStarted(name):
                self._share = self._shares.get(name, _Share(0, 0.0))
                self._newest, self._counts_products = None, False
            case Progress(_, done, total):
                self._newest = event
                if not self._counts_products and total:
                    self._count(self._share.total * done / total)
                self._tell()
                return
            case StepEnded():
                self._count(self._share.total, is_work=False)
        self._report(event)

    def add(self, size: int, *, is_work: bool = True) -> None:
        """Count a finished product of so many bytes of raw frames; no work when it was there already."""
        self._counts_products = True
        self._count(self._share.done + size, is_work=is_work)

    @contextmanager
    def product(self, size: int) -> Iterator[None]:
        """Count a product while it is being made of so many bytes of raw frames; see `reached`."""
        self._counts_products = True
        self._product = (self._share.done, float(size))
        yield
        self.reached(1.0)

    def reached(self, part: float) -> None:
        """Tell that the product that is being made is done to this part, 0 to 1."""
        base, size = self._product
        self._count(base + min(part, 1.0) * size)
        if self._newest is not None and self._clock.monotonic() - self._told_s >= _TELL_S:
            self._tell()

    @property
    def left_s(self) -> float | None:
        """Seconds until the batch is done, at least 1; None while that is not known."""
        shares = self._shares.values()
        expected_s = sum(share.expected_s for share in shares)
        worked_s = sum(share.seconds for share in shares)
        if worked_s < _LEAST_S or not expected_s:
            return None
        return max(1.0, sum(share.left_s(worked_s / expected_s) for share in shares))

    def _count(self, done: float, *, is_work: bool = True) -> None:
        """Set how far the step is; it never goes back, and never beyond its share."""
        share, now_s = self._share, self._clock.monotonic()
        done = max(share.done, min(done, share.total))
        if is_work and share.total:
            share.worked += done - share.done
            share.seconds += max(0.0, now_s - self._mark_s)
        share.done = done
        self._mark_s = now_s

    def _tell(self) -> None:
        assert self._newest is not None
        shares = self._shares.values()
        done, total = int(sum(share.done for share in shares)), sum(share.total for share in shares)
        self._told_s = self._clock.monotonic()
        self._report(replace(self._newest, bytes_done=done, bytes_total=total, left_s=self.left_s))


def bytes_of(exposures: Iterable[Exposure]) -> int:
    """Bytes of raw frames on disk; one that is gone counts nothing."""
    size = 0
    for exposure in exposures:
        with suppress(OSError):
            size += exposure.path.stat().st_size
    return size
