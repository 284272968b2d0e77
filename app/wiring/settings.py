"""The Settings page."""

from __future__ import annotations

from pathlib import Path

from app.controllers.devices import DevicesController
from app.model.settings import Settings
from app.widgets.control_panel import ControlPanel


def connect_settings(panel: ControlPanel, devices: DevicesController, settings: Settings, file: Path) -> None:
    """Connect search, trials and saving to the Settings page."""
    page = panel.settings
    page.set_settings(settings, file)
    devices.found.connect(page.add_found)
    devices.progressed.connect(page.show_progress)
    devices.answered.connect(page.show_result)
    devices.saved.connect(lambda saved: page.set_settings(saved, file))
    page.discover_requested.connect(devices.discover)
    page.probe_requested.connect(devices.probe)
    page.test_requested.connect(devices.test)
    page.save_requested.connect(devices.save)
