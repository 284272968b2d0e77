from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from app.model.dome import ClosedBy, DomeFacts, DomeState, DomeWish, Move, Phase, ShutterState, WishKind
from app.model.following import Follower, FollowState
from app.model.reading import NEVER_READ, Reading
from app.model.surroundings import MountSample
from app.widgets import theme
from app.widgets.dome_dial import DomeDial
from app.widgets.dome_words import Sight, sight_words

NOW_S = 1000.0
FACTS = DomeFacts("Dome", 3, True, True, True, True)


def dome(azimuth_deg=90.0, shutter=ShutterState.OPEN, age_s=0.2, target_deg=None, **more):
    move = None
    if target_deg is not None:
        move = Move(1, DomeWish(WishKind.GOTO, target_deg), "ada", NOW_S - 1.0, Phase.MOVING)
    return DomeState(
        server="127.0.0.1:11111/0",
        is_ours=True,
        facts=FACTS,
        azimuth_deg=Reading(azimuth_deg, NOW_S - age_s),
        shutter=Reading(shutter, NOW_S - age_s),
        is_slewing=Reading(target_deg is not None, NOW_S - age_s),
        move=move,
        **more,
    )


@pytest.fixture(params=["dark", "red"])
def look(request, qapp):
    theme.apply(qapp, request.param)
    yield theme.current()
    theme.apply(qapp, "dark")


@pytest.fixture
def dial(qtbot, qapp):
    theme.apply(qapp, "dark")
    dial = DomeDial()
    dial.resize(440, 460)
    qtbot.addWidget(dial)
    return dial


def picture(dial):
    return dial.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def pixels_of(dial):
    """Blue, green, red and nothing of each pixel, copied: the picture does not outlive this."""
    image = picture(dial)
    return np.frombuffer(image.constBits(), np.uint8).reshape(-1, 4).copy()


def grey(dial):
    image = picture(dial).convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return pixels[:, : image.width()].astype(float)  # a copy


def plan(dial):
    """The pixels of the plan alone: words under it differ anyway."""
    return grey(dial)[: dial.height() - 80]


def color_at(dial, azimuth_deg, radius_px):
    return picture(dial).pixelColor(dial.point_at(azimuth_deg, radius_px).toPoint())


def middle_of_shell(dial):
    return sum(dial.shell_px) / 2.0


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 180.0, 270.0])
def test_a_click_on_the_ring_asks_for_that_azimuth(qtbot, dial, azimuth_deg):
    dial.set_state(dome(), NEVER_READ, NOW_S)
    with qtbot.waitSignal(dial.azimuth_requested) as asked:
        qtbot.mouseClick(
            dial, Qt.MouseButton.LeftButton, pos=dial.point_at(azimuth_deg, middle_of_shell(dial)).toPoint()
        )
    assert asked.args == [pytest.approx(azimuth_deg, abs=0.3)]
    assert asked.args[0] == round(asked.args[0], 1)


def test_clicks_in_the_middle_outside_and_of_other_buttons_ask_for_nothing(qtbot, dial):
    dial.set_state(dome(), NEVER_READ, NOW_S)
    with qtbot.assertNotEmitted(dial.azimuth_requested):
        qtbot.mouseClick(dial, Qt.MouseButton.LeftButton, pos=dial.point_at(90.0, 10.0).toPoint())
        qtbot.mouseClick(dial, Qt.MouseButton.LeftButton, pos=QPointF(20.0, dial.height() - 20.0).toPoint())
        qtbot.mouseClick(dial, Qt.MouseButton.RightButton, pos=dial.point_at(90.0, 100.0).toPoint())


def test_keys_turn_an_outline_and_enter_goes_there(qtbot, dial):
    dial.set_state(dome(azimuth_deg=359.0), NEVER_READ, NOW_S)
    qtbot.keyClick(dial, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(dial, Qt.Key.Key_Left)
    assert dial.accessibleDescription().startswith("Enter: go to 8.0°")
    with qtbot.waitSignal(dial.azimuth_requested) as asked:
        qtbot.keyClick(dial, Qt.Key.Key_Return)
    assert asked.args == [8.0]
    qtbot.keyClick(dial, Qt.Key.Key_Right)
    with qtbot.assertNotEmitted(dial.azimuth_requested):
        qtbot.keyClick(dial, Qt.Key.Key_Escape)
        qtbot.keyClick(dial, Qt.Key.Key_Return)


def test_hovering_shows_the_azimuth_in_the_colour_of_what_can_be_clicked(qtbot, dial):
    dial.set_state(dome(), NEVER_READ, NOW_S)
    dial.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the focus has that colour too
    dial.show()
    accent = QColor(theme.current().accent).rgb()
    assert accent not in colors(dial)
    qtbot.mouseMove(dial, dial.point_at(200.0, 100.0).toPoint())
    assert accent in colors(dial)
    QApplication.sendEvent(dial, QEvent(QEvent.Type.Leave))
    assert accent not in colors(dial)


def colors(dial):
    return set(pixels_of(dial).view(np.uint32).ravel().tolist())


def test_the_slit_is_where_it_was_measured(dial, look):
    dial.set_state(dome(azimuth_deg=90.0), NEVER_READ, NOW_S)
    middle = middle_of_shell(dial)
    assert color_at(dial, 90.0, middle).name() == look.text
    assert color_at(dial, 82.0, middle).name() == look.text
    assert color_at(dial, 77.0, middle).name() == look.line
    assert color_at(dial, 270.0, middle).name() == look.line


def test_every_state_of_the_shutter_has_its_own_look_without_colour(dial):
    looks = []
    for shutter in (*ShutterState, None):
        dial.set_state(dome(shutter=shutter), NEVER_READ, NOW_S)
        looks.append(plan(dial))
    differing = [
        np.count_nonzero(np.abs(one - other) > 40.0) for number, one in enumerate(looks) for other in looks[:number]
    ]
    assert min(differing) > 40  # pixels that differ clearly; opening and closing differ by their arrows


def test_not_closed_is_loud(dial):
    dial.set_state(dome(shutter=ShutterState.ERROR), NEVER_READ, NOW_S)
    alarm = QColor(theme.current().alarm).rgb()
    assert np.count_nonzero(pixels_of(dial).view(np.uint32) == alarm) > 4000
    assert "NOT CLOSED" in dial.accessibleDescription()


def test_fresh_stale_and_never_seen_differ_without_colour(dial):
    mount = NEVER_READ
    looks = []
    for state in (dome(), dome(age_s=12.0), DomeState()):
        dial.set_state(state, mount, NOW_S)
        looks.append(plan(dial))
    fresh, stale, never = looks
    assert np.abs(stale - never).mean() > 5.0
    assert np.abs(fresh - stale).mean() > 5.0
    assert np.abs(fresh - never).mean() > 5.0


def test_what_is_stale_keeps_its_values_and_says_its_age():
    words = sight_words(Sight(dome(azimuth_deg=137.4, age_s=12.0), NEVER_READ, NOW_S))
    assert words.startswith("STALE")
    assert "137.4°" in words
    assert "shutter unknown, was open" in words
    assert "12 s ago" in words


def test_whose_word_it_is_that_the_shutter_is_closed():
    by_driver = sight_words(Sight(dome(shutter=ShutterState.CLOSED, closed_by=ClosedBy.DRIVER), NEVER_READ, NOW_S))
    by_motion = sight_words(Sight(dome(shutter=ShutterState.CLOSED, closed_by=ClosedBy.MOTION), NEVER_READ, NOW_S))
    assert "closed, driver's word" in by_driver
    assert "proven closed, proven by motion" in by_motion


@pytest.mark.parametrize("shutter", [ShutterState.OPEN, ShutterState.OPENING, ShutterState.CLOSING])
def test_the_opening_of_a_roof_is_lighter_than_its_leaves(dial, look, shutter):
    roof = DomeFacts("Roof", 2, False, True, False, False)
    dial.set_state(replace(dome(shutter=shutter), facts=roof, azimuth_deg=NEVER_READ), NEVER_READ, NOW_S)
    red = [color_at(dial, 90.0, part * dial.shell_px[1]).red() for part in (0.18, 0.7)]
    assert red[0] > red[1] + 40


def test_a_contact_that_contradicts_the_driver_is_loud(dial):
    state = dome(
        shutter=ShutterState.CLOSED,
        closed_by=ClosedBy.MOTION,
        closed_contact=Reading(False, NOW_S),
        closed_since_s=NOW_S - 9.0,
    )
    assert "shutter NOT CLOSED, its contact says open" in sight_words(Sight(state, NEVER_READ, NOW_S))
    dial.set_state(state, NEVER_READ, NOW_S)
    alarm = QColor(theme.current().alarm).rgb()
    assert np.count_nonzero(pixels_of(dial).view(np.uint32) == alarm) > 4000


def test_moving_is_slewing_or_the_shutter(dial):
    opening = dome(shutter=ShutterState.OPENING)
    assert "still; shutter opening" in sight_words(Sight(opening, NEVER_READ, NOW_S))
    slewing = replace(opening, is_slewing=Reading(True, NOW_S))
    assert "shutter moves; shutter opening" in sight_words(Sight(slewing, NEVER_READ, NOW_S))
    turning = replace(slewing, shutter=Reading(ShutterState.OPEN, NOW_S))
    assert "moving; shutter open" in sight_words(Sight(turning, NEVER_READ, NOW_S))


def test_the_beam_is_drawn_where_the_geometry_puts_it(dial):
    mount = Reading(MountSample(180.0, 60.0, None, None, True, False, False), NOW_S)
    following = FollowState(Follower.CUPOLA, target_deg=200.0, beam_deg=-70.0, half_width_deg=9.0)
    dial.set_state(dome(azimuth_deg=270.0, following=following), mount, NOW_S)
    part_of_beam = 0.25 * dial.shell_px[0]
    assert color_at(dial, 200.0, part_of_beam).name() == theme.current().text
    assert color_at(dial, 180.0, part_of_beam).name() != theme.current().text


def test_the_turn_from_359_to_1_is_two_degrees(dial):
    state = dome(azimuth_deg=359.0, target_deg=1.0)
    assert "CW 2.0°" in sight_words(Sight(state, NEVER_READ, NOW_S))
    arc_px = dial.shell_px[0] - 8.0
    dial.set_state(dome(azimuth_deg=359.0, shutter=ShutterState.CLOSED), NEVER_READ, NOW_S)
    before = picture(dial)
    dial.set_state(state_closed := dome(359.0, ShutterState.CLOSED, target_deg=1.0), NEVER_READ, NOW_S)
    after = picture(dial)
    assert state_closed.remaining_deg() == 2.0
    changed = [
        azimuth
        for azimuth in range(0, 360, 10)
        if before.pixel(dial.point_at(azimuth, arc_px).toPoint())
        != after.pixel(dial.point_at(azimuth, arc_px).toPoint())
    ]
    assert set(changed) <= {0}
    dial.set_state(dome(300.0, ShutterState.CLOSED, target_deg=60.0), NEVER_READ, NOW_S)
    around = [color_at(dial, 340.0, arc_px + off).lightness() for off in (-1.0, 0.0, 1.0)]
    assert max(around) > 200  # the short way leads over North
    assert color_at(dial, 180.0, arc_px).lightness() < 50


def test_the_telescope_is_drawn_where_it_looks_and_old_ones_differ(dial):
    mount = MountSample(180.0, 60.0, None, None, True, False, False)
    dial.set_state(dome(), Reading(mount, NOW_S), NOW_S)
    middle_of_beam = 0.25 * dial.shell_px[0]
    assert color_at(dial, 180.0, middle_of_beam).name() == theme.current().text
    fresh = plan(dial)
    dial.set_state(dome(), Reading(mount, NOW_S - 60.0), NOW_S)
    assert np.abs(plan(dial) - fresh).max() > 40.0


def test_nothing_normal_has_a_colour(dial):
    mount = Reading(MountSample(139.1, 52.3, None, None, True, False, False), NOW_S)
    dial.set_state(dome(target_deg=171.0), mount, NOW_S, 12.0)
    pixels = pixels_of(dial).astype(int)
    assert (pixels[:, 2] - pixels[:, 0]).max() < 30  # the panel is bluish; nothing is amber or red
    assert "CW 81.0°, 12 s" in dial.accessibleDescription()


@pytest.mark.parametrize("age_s", [0.2, 12.0])
def test_another_theme_repaints_all(qapp, dial, age_s):
    dial.set_state(dome(age_s=age_s, shutter=ShutterState.ERROR), NEVER_READ, NOW_S)
    picture(dial)
    theme.apply(qapp, "red")
    pixels = pixels_of(dial)
    theme.apply(qapp, "dark")
    assert pixels[:, :2].max() == 0
    assert pixels[:, 2].max() > 200
