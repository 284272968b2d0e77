"""`cupola screenshot`: the window on the embedded observatory, at one moment of a fixed night, without a display."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from app import __version__
from app.bootstrap.embedded import start_simulator
from app.bootstrap.night import NIGHT_VARIABLE, begin_picture
from app.bootstrap.observatory import SETTINGS_VARIABLE, open_observatory
from app.commands import demo
from app.commands.console import BAD_USAGE, DONE, ProgressLine, refuse, say
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan, GuardState, LeaseState
from app.model.work_order import Request
from app.paths import user_data_folder
from app.sim.place import NIGHT

if TYPE_CHECKING:
    from app.bootstrap.station import Station
    from app.services.guard_watch import GuardWatch

#: The pictures show this moment.
MOMENT = NIGHT + timedelta(minutes=37, seconds=12)
_LEAST_SIZE, _LARGEST_SIZE = (1024, 640), (7680, 4320)
#: Free disk space that the pictures show: the real one would make each another picture.
FREE_BYTES = 1_800_000_000_000
#: The devices have to be read within this.
PATIENCE_S = 30.0
_LOOK_S = 0.05

#: What is in the queue of the pictures: name, right ascension and declination in degrees.
_TARGETS = (
    ("NGC 6888", 303.03, 38.35),
    ("M 57", 283.40, 33.03),
    ("NGC 6946", 308.72, 60.15),
    ("M 33", 23.46, 30.66),
    ("M 8", 270.92, -24.38),
)


def run(out: Path, size: str, page: str, theme: str) -> int:
    """Write the picture; the first one needs about a minute, for the example night is calibrated for it."""
    wanted = _parsed(size)
    if wanted is None:
        least, largest = ("x".join(map(str, limit)) for limit in (_LEAST_SIZE, _LARGEST_SIZE))
        sentence = f"size {size!r} is none: write it as 1920x1080, from {least} to {largest}"
        return refuse(sentence, as_json=False, code=BAD_USAGE)
    os.environ |= {"QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": "1", "QT_FONT_DPI": "96"}
    from app import picture  # Qt: only now is the platform settled
    from app.widgets.theme import THEMES

    names = {name.lower(): name for name in picture.PAGES}
    if page.lower() not in names:
        sentence = f"page {page!r} is none: pages are {', '.join(picture.PAGES)}"
        return refuse(sentence, as_json=False, code=BAD_USAGE)
    if theme not in THEMES:
        sentence = f"theme {theme!r} is none: themes are {', '.join(THEMES)}"
        return refuse(sentence, as_json=False, code=BAD_USAGE)
    folder = user_data_folder() / "pictures"
    _make(out.parent)  # before the long work
    _make(folder)
    with FileLock(folder.with_suffix(".lock")):
        _prepare(folder)
        image = picture.taken(_station, *wanted, names[page.lower()], theme)
    if not image.save(str(out)):
        raise ObservatoryError(
            f"{out} cannot be written as a picture: give a name that ends in .png, where you may write"
        )
    print(out)
    return DONE


def _parsed(size: str) -> tuple[int, int] | None:
    """Width and height; None for what no picture can have."""
    wanted = re.fullmatch(r"(\d{3,4})x(\d{3,4})", size, re.ASCII)
    if wanted is None:
        return None
    width, height = int(wanted[1]), int(wanted[2])
    is_wide_enough = _LEAST_SIZE[0] <= width <= _LARGEST_SIZE[0]
    return (width, height) if is_wide_enough and _LEAST_SIZE[1] <= height <= _LARGEST_SIZE[1] else None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ObservatoryError(
            f"The folder {folder} cannot be made ({error.strerror}): allow writing there, or choose another place"
        ) from error


def _prepare(folder: Path) -> None:
    """The example night, calibrated in picture time; made once for each version."""
    made = folder / "made-by"
    if made.exists() and made.read_text(encoding="utf-8") == __version__:
        os.environ[SETTINGS_VARIABLE] = str(folder / "settings.toml")
        return
    shutil.rmtree(folder)
    folder.mkdir()
    demo.prepare(folder)
    say("SIMULATED: calibrating it, once; later pictures take seconds ...")
    begin_picture(NIGHT + timedelta(minutes=5), 20.0)
    with open_observatory() as observatory:
        observatory.front_desk.take_in(demo.calibration_order(folder), "demo")
        begin_picture(NIGHT + timedelta(minutes=6), 0.25)  # for the child
        with observatory.processor.on_duty(), ProgressLine() as report:
            observatory.processor.run_next(report)
        for number, (name, ra_deg, dec_deg) in enumerate(_TARGETS, start=2):
            observatory.front_desk.take_in(_observation(str(number), name, ra_deg, dec_deg), "demo")
        observatory.front_desk.hold("5", "demo")
    made.write_text(__version__, encoding="utf-8")


def _observation(order_id: str, name: str, ra_deg: float, dec_deg: float) -> dict[str, Any]:
    return {
        "id": order_id,
        "request": str(Request.OBSERVE),
        "user": "demo",
        "datetime": f"{NIGHT:%Y-%m-%dT%H:%M:%S}",
        "object": name,
        "ra": ra_deg,
        "dec": dec_deg,
        "priority": None,
    }


def _guard(plan: GuardPlan, clock: Clock) -> GuardWatch:
    """A guard on duty, of which there is no process."""
    from app.services.guard_watch import StillGuard

    lease = LeaseState(name="window", age_s=0.0, limit_s=plan.guard.lease_s)
    left = plan.guard.reopenings_a_night
    word = GuardState(
        server=plan.server,
        pid=0,
        is_safe=True,
        safe_for_s=3600.0,
        shutter="open",
        leases=(lease,),
        reopenings_left=left,
    )
    return StillGuard(plan, clock, word)


def _wait_until_read(station: Station) -> None:
    deadline_s, pause = monotonic() + PATIENCE_S, Event()
    while not station.is_read:
        if monotonic() > deadline_s:
            raise ObservatoryError(
                f"the simulated devices were not read within {PATIENCE_S:g} s: run `cupola window`, and see the log"
            )
        pause.wait(_LOOK_S)


@contextmanager
def _station() -> Iterator[Station]:
    """The observatory of the picture, in which time stands still."""
    from app.bootstrap.devices import simulated_devices
    from app.bootstrap.station import open_station

    begin_picture(MOMENT, 0.0)
    simulator = start_simulator(os.environ[NIGHT_VARIABLE], "--frozen", "--idle", "60")
    try:
        with (
            open_observatory() as observatory,
            open_station(observatory, simulated_devices(simulator), port=0, guard_of=_guard) as station,
        ):
            _wait_until_read(station)  # the window looks once in a time that stands
            yield replace(station, takes_orders=False, free_bytes=lambda _: FREE_BYTES)
    finally:
        with suppress(OSError):
            simulator.end()
