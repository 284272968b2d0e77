"""DomeStatus: the dome's state by the names of the mission, for HTTP and the command line."""

from __future__ import annotations

from typing import Any

from app.model.dome import DomeState
from app.model.interlocks import is_closed_word


def dome_status(state: DomeState, now_s: float, version: str) -> dict[str, Any]:
    """The dome for other programs.

    Parameters
    ----------
    state : DomeState
        What its owner knows.
    now_s : float
        Monotonic time, seconds: what is not fresh then is not known.
    version : str
        Of this program, such as ``"0.1.0"``.

    Returns
    -------
    dict
        ``azim``: degrees as last read, None when never. ``open``: False only when a fresh reading says closed,
        and no contact gainsays it.
        ``park``: True only when a fresh reading says so. ``connected``: whether the values are fresh. ``time``: Unix
        seconds of their reading, None when never. ``version``: with a ``v``. ``closed_by``: driver, motion or switch,
        None unless closed.
    """
    is_closed = is_closed_word(state.shutter_word(now_s))
    read_at = state.is_slewing.read_at
    return {
        "azim": state.azimuth_deg.value,
        "open": not is_closed,
        "park": state.is_at_park.fresh_value(now_s, state.fresh_s) is True,
        "connected": state.is_connected(now_s),
        "time": read_at and read_at.timestamp(),
        "version": f"v{version}",
        "closed_by": str(state.closed_by) if is_closed and state.closed_by else None,
    }
