"""The Frames page."""

from __future__ import annotations

from app.controllers.frames import FramesController
from app.widgets.control_panel import ControlPanel


def connect_frames(panel: ControlPanel, frames: FramesController) -> None:
    """Connect pictures, cursor and thumbnails to the Frames page."""
    page = panel.frames
    frames.opened.connect(page.set_overview)
    frames.rendered.connect(page.set_rendering)
    frames.cursor_read.connect(page.set_cursor)
    frames.thumbnail_ready.connect(page.set_thumbnail)
    frames.failed.connect(page.set_failure)
    page.open_requested.connect(frames.open)
    page.render_requested.connect(frames.render)
    page.cursor_asked.connect(frames.read_cursor)
    page.thumbnail_requested.connect(frames.make_thumbnail)
