"""The Log page, and the errors that nobody has looked at."""

from __future__ import annotations

from app.controllers.alarms import AlarmsController
from app.controllers.journal import JournalController
from app.controllers.log_bridge import LogBridge
from app.widgets.control_panel import ControlPanel


def connect_log(panel: ControlPanel, bridge: LogBridge, journal: JournalController, alarms: AlarmsController) -> None:
    """Connect records and journal to the Log page, and the errors to rail and alarms."""
    page, window = panel.log, panel.window
    bridge.entries_added.connect(page.add_entries)
    bridge.failed.connect(page.set_failure)
    journal.entries_changed.connect(page.set_journal)
    journal.failed.connect(page.set_journal_failure)
    page.journal_shown.connect(journal.set_shown)
    bridge.errors_changed.connect(alarms.set_errors)
    bridge.errors_changed.connect(lambda errors: window.set_page_attention(page.TITLE, errors > 0))

    def look(title: str) -> None:
        if title == page.TITLE:
            bridge.acknowledge_errors()

    def show_batch(key: int) -> None:
        window.show_page(panel.batches.TITLE)
        panel.batches.select_batch(key)

    window.page_changed.connect(look)
    page.batch_requested.connect(show_batch)
