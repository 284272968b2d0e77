"""Pictures of the dial that somebody looked at: ``python -m tests.gui.test_gui_dial_golden`` makes them anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app.model.dome import ClosedBy, DomeFacts, DomeState, DomeWish, Move, Phase, ShutterState, WishKind
from app.model.following import Follower, FollowState
from app.model.reading import NEVER_READ, Reading
from app.model.surroundings import MountSample
from app.widgets import theme
from app.widgets.dome_dial import DomeDial

FOLDER = Path(__file__).parents[1] / "golden"
NOW_S = 1000.0
FACTS = DomeFacts("Dome", 3, True, True, True, True)
ROOF = DomeFacts("Roof", 2, False, True, False, False)
#: Letters may be a little different on another machine; what is painted may not.
MEAN_LIMIT, BLOCK_LIMIT, BLOCK_PX = 1.5, 20.0, 10


def dome(azimuth_deg=137.4, shutter=ShutterState.OPEN, age_s=0.4, target_deg=None, **more):
    wish = DomeWish(WishKind.GOTO, target_deg)
    values = {
        "facts": FACTS,
        "azimuth_deg": NEVER_READ if azimuth_deg is None else Reading(azimuth_deg, NOW_S - age_s),
        "shutter": Reading(shutter, NOW_S - age_s),
        "is_slewing": Reading(target_deg is not None, NOW_S - age_s),
        "move": None if target_deg is None else Move(1, wish, "ada", NOW_S - 1.0, Phase.MOVING),
        "park_deg": 90.0,
        "home_deg": 0.0,
        "slit_width_deg": 20.0,
    }
    return DomeState(**{**values, **more})


def telescope(azimuth_deg, altitude_deg=45.0, age_s=0.4, is_parked=False):
    sample = MountSample(azimuth_deg, altitude_deg, None, None, not is_parked, False, is_parked)
    return Reading(sample, NOW_S - age_s)


FOLLOWING = FollowState(Follower.CUPOLA, target_deg=141.4, beam_deg=4.0, half_width_deg=9.0, clip_s=840.0)
#: Each: state, telescope, seconds until the turn is done.
PICTURES = {
    **{f"azimuth_{azimuth:03d}": (dome(float(azimuth)), NEVER_READ, None) for azimuth in range(0, 360, 45)},
    **{
        f"north_{number}": (dome(azimuth, ShutterState.CLOSED, target_deg=1.0), NEVER_READ, (1.0 - azimuth) % 360.0)
        for number, azimuth in enumerate((359.0, 359.7, 0.4, 1.0), 1)
    },
    "fresh": (dome(), telescope(139.1), None),
    "stale": (dome(age_s=12.0, failure="The dome does not answer"), telescope(139.1, age_s=12.0), None),
    "never": (DomeState(), NEVER_READ, None),
    "closed_word": (dome(shutter=ShutterState.CLOSED, closed_by=ClosedBy.DRIVER), telescope(139.1), None),
    "closed_proven": (dome(shutter=ShutterState.CLOSED, closed_by=ClosedBy.MOTION), telescope(139.1), None),
    "not_closed": (dome(shutter=ShutterState.ERROR), telescope(139.1), None),
    "opening": (dome(shutter=ShutterState.OPENING), telescope(139.1), None),
    "closing": (dome(shutter=ShutterState.CLOSING), telescope(139.1), None),
    "moving": (dome(target_deg=171.4), telescope(175.0), 12.0),
    "following": (dome(following=FOLLOWING), telescope(139.1), None),
    "following_turns": (dome(target_deg=122.0, following=replace(FOLLOWING, beam_deg=-7.5)), telescope(139.1), 6.0),
    "clipped": (dome(following=replace(FOLLOWING, beam_deg=11.5)), telescope(139.1), None),
    "dropped": (dome(following=FollowState(is_dropped=True, reason="the mount is silent")), telescope(139.1), None),
    "roof_open": (dome(None, facts=ROOF), telescope(139.1), None),
    "roof_closed_word": (
        dome(None, ShutterState.CLOSED, facts=ROOF, closed_by=ClosedBy.DRIVER),
        telescope(139.1, is_parked=True),
        None,
    ),
    "roof_closed_proven": (
        dome(None, ShutterState.CLOSED, facts=ROOF, closed_by=ClosedBy.SWITCH),
        telescope(139.1, is_parked=True),
        None,
    ),
    "roof_opening": (dome(None, ShutterState.OPENING, facts=ROOF), telescope(139.1, is_parked=True), None),
    "roof_not_closed": (dome(None, ShutterState.ERROR, facts=ROOF), telescope(139.1, is_parked=True), None),
}


def picture(state, mount=NEVER_READ, eta_s=None):
    """What the dial paints."""
    dial = DomeDial()
    dial.setAutoFillBackground(True)
    dial.resize(400, 380)
    dial.set_state(state, mount, NOW_S, eta_s)
    image = dial.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    dial.deleteLater()
    return image


def pixels(image):
    """Blue, green, red of each pixel."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., :3].astype(float)


def golden(name):
    image = QImage(str(FOLDER / f"dial_{name}.png"))
    assert not image.isNull(), f"tests/golden/dial_{name}.png is not there: make it, and look at it"
    return pixels(image)


def differences(one, other):
    """Mean over all pixels, and the greatest mean over a block: letters move by parts of a pixel, parts do not."""
    apart = np.abs(one - other)
    rows, columns = (size // BLOCK_PX for size in one.shape[:2])
    blurred = (one - other)[: rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = blurred.reshape(rows, BLOCK_PX, columns, BLOCK_PX, 3).mean(axis=(1, 3))
    return apart.mean(), np.abs(blocks).max()


def is_like(one, other):
    mean, block = differences(one, other)
    return mean < MEAN_LIMIT and block < BLOCK_LIMIT


def plan_in_grey(name):
    """Without colours, and without the words under the plan."""
    return golden(name)[:300].mean(axis=2, keepdims=True).repeat(3, axis=2)


@pytest.fixture(autouse=True, scope="module")
def dark(qapp):
    theme.apply(qapp, "dark")


@pytest.mark.parametrize("name", PICTURES)
def test_the_dial_looks_as_it_did_when_somebody_looked(name):
    mean, block = differences(pixels(picture(*PICTURES[name])), golden(name))
    assert mean < MEAN_LIMIT
    assert block < BLOCK_LIMIT


def test_the_tolerance_notices_a_slit_that_is_two_degrees_off():
    assert is_like(pixels(picture(dome(45.0))), golden("azimuth_045"))
    assert not is_like(pixels(picture(dome(47.0))), golden("azimuth_045"))


def test_states_that_must_not_be_taken_for_each_other_differ_without_colour():
    groups = (
        ("fresh", "stale", "never"),
        ("closed_word", "closed_proven", "not_closed", "opening", "closing", "fresh"),
        ("roof_open", "roof_closed_word", "roof_closed_proven", "roof_opening", "roof_not_closed"),
        ("fresh", "following", "following_turns", "clipped", "moving"),
    )
    for names in groups:
        looks = [plan_in_grey(name) for name in names]
        for number, one in enumerate(looks):
            for other in looks[:number]:
                assert differences(one, other)[1] > BLOCK_LIMIT


def test_golden_pictures_are_those_of_this_test_and_small():
    files = {path.stem.removeprefix("dial_"): path.stat().st_size for path in FOLDER.glob("dial_*.png")}
    assert set(files) == set(PICTURES)
    assert max(files.values()) < 15_000


def of_few_colors(image):
    """The same with its 60 most frequent colours and shades of the alarm's, which makes a small file."""
    colors, counts = np.unique(np.frombuffer(image.constBits(), np.uint32) | 0xFF000000, return_counts=True)
    table = [int(color) for color in colors[np.argsort(counts)[::-1][:60]]]
    look = theme.current()
    for token in ("alarm", "attention"):
        table += [look.color(token).darker(100 + 40 * step).rgb() for step in range(6)]
    return image.convertToFormat(QImage.Format.Format_Indexed8, table, Qt.ImageConversionFlag.AvoidDither)


def remake():
    """Make them anew, to be looked at before they are kept."""
    theme.apply(QApplication.instance() or QApplication(["golden"]), "dark")
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("dial_*.png"):
        old.unlink()
    for name, what in PICTURES.items():
        of_few_colors(picture(*what)).save(str(FOLDER / f"dial_{name}.png"), "PNG", 0)


if __name__ == "__main__":
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    remake()
