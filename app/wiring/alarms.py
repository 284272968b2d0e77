"""Alarms, guard, LOCKOUT and overrides: on the Night page, and in banners on every page."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence, QShortcut

from app.controllers.alarms import AlarmsController
from app.controllers.guarding import GuardController
from app.model.notices import Notice
from app.widgets.alarm_list import ACKNOWLEDGE_ALL
from app.widgets.control_panel import ControlPanel


def connect_alarms(panel: ControlPanel, alarms: AlarmsController, guarding: GuardController, who: str) -> None:
    """Connect alarms and guard to the Night page and to the banners; `who` stands in the field of LOCKOUT."""
    page, window = panel.night, panel.window
    shown: set[str] = set()

    def show_notices(notices: dict[str, Notice]) -> None:
        for key in shown - notices.keys():
            window.clear_banner(key)
        for key, notice in notices.items():
            window.show_banner(notice.text, notice.severity, key, notice.action)
        shown.clear()
        shown.update(notices)

    def act(key: str) -> None:
        if key == "alarm":
            alarms.acknowledge_loudest()
        elif key == "override":
            guarding.end_override()
        elif key in ("countdown", "lockout"):
            show_guard()

    def show_guard() -> None:
        window.show_page(page.TITLE)
        page.show_guard()

    alarms.alarms_changed.connect(page.set_alarms)
    alarms.notices_changed.connect(show_notices)
    page.alarms.acknowledged.connect(alarms.acknowledge)
    page.alarms.all_acknowledged.connect(alarms.acknowledge_all)
    page.alarms.muted.connect(alarms.mute)
    window.banner_acted.connect(act)
    QShortcut(QKeySequence(ACKNOWLEDGE_ALL), window, alarms.acknowledge_all)
    page.guard.set_operator(who)
    guarding.state_changed.connect(page.set_guard)
    guarding.said.connect(page.guard.show_message)
    page.guard.lockout_wanted.connect(guarding.take_lockout)
    page.guard.release_wanted.connect(guarding.release_lockout)
    page.guard.override_ended.connect(guarding.end_override)
    window.strip.guard_clicked.connect(show_guard)
