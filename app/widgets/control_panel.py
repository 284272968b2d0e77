"""The control panel as a whole: the main window with its pages, and STOP above it."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication

from app.widgets.batches_page import BatchesPage
from app.widgets.frames_page import FramesPage
from app.widgets.help_page import HelpPage
from app.widgets.log_page import LogPage
from app.widgets.main_window import MainWindow
from app.widgets.night_page import NightPage
from app.widgets.orders_page import OrdersPage
from app.widgets.settings_page import SettingsPage
from app.widgets.stop_window import StopFilter, StopWindow


class ControlPanel:
    """Main window, pages and STOP window; what they are joined to is the wiring's.

    Attributes
    ----------
    window, stop
        The two top-level windows.
    night, orders, batches, frames, log, settings, help
        The pages, in the order of the rail.
    """

    def __init__(self, application: QApplication) -> None:
        self.window = MainWindow()
        self.stop = StopWindow()
        self._filter = StopFilter(self.stop, application)
        self.window.stop_room_changed.connect(self.stop.place)
        self.night = NightPage()
        self.orders = OrdersPage()
        self.batches = BatchesPage()
        self.frames = FramesPage()
        self.log = LogPage()
        self.settings = SettingsPage()
        self.help = HelpPage()
        for page in (self.night, self.orders, self.batches, self.frames, self.log, self.settings, self.help):
            self.window.add_page(page)

    def show(self) -> None:
        """Show both windows."""
        self.window.show()
        self.stop.show()

    def close(self) -> None:
        """Really close both."""
        self.stop.close()
        self.window.finish_close()
