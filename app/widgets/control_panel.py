"""The control panel as a whole: the main window with its pages, and STOP above it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication

from app.widgets import theme
from app.widgets.batches_page import BatchesPage
from app.widgets.frames_page import FramesPage
from app.widgets.help_page import HelpPage
from app.widgets.log_page import LogPage
from app.widgets.main_window import MainWindow
from app.widgets.night_page import NightPage
from app.widgets.orders_page import OrdersPage
from app.widgets.quit_question import QuitQuestion
from app.widgets.settings_page import SettingsPage
from app.widgets.stop_window import StopFilter, StopWindow


class ControlPanel(QObject):
    """Main window, pages and STOP window; what they are joined to is the wiring's.

    Attributes
    ----------
    window, stop
        The two top-level windows.
    night, orders, batches, frames, log, settings, help
        The pages, in the order of the rail.
    """

    theme_changed = Signal(str)  #: Name of the theme.

    def __init__(self, application: QApplication) -> None:
        super().__init__()
        self._application = application
        self.window = MainWindow()
        self.stop = StopWindow()
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
        self.question = QuitQuestion()
        self.window.add_question(self.question)
        theme.dress(application)
        self._filter = StopFilter(self.stop, application)  # last: it sees every event, and making pages makes 30 000

        QShortcut(QKeySequence("Ctrl+T"), self.window, self.next_theme)

    def set_theme(self, name: str) -> None:
        """Change the look of everything; an unknown name changes nothing."""
        if name in theme.THEMES and name != theme.current().name:
            theme.apply(self._application, name)
            self.theme_changed.emit(name)

    def next_theme(self) -> None:
        """Dark, red, amber, dark ..."""
        names = list(theme.THEMES)
        self.set_theme(names[(names.index(theme.current().name) + 1) % len(names)])

    def show(self) -> None:
        """Show both windows."""
        self.window.show()
        self.stop.show()

    def close(self) -> None:
        """Really close both."""
        self.stop.close()
        self.window.finish_close()
