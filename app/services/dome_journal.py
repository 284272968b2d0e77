"""The dome's rows in the journal: written in a lane of their own, for which no command waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from app.model.dome import DomeState
from app.model.errors import ObservatoryError
from app.services.lanes import Lane

log = logging.getLogger(__name__)

#: Writes a row of the journal: who, what, subject, detail as JSON. May block.
Record = Callable[[str, str, str, dict[str, Any]], None]


class DomeJournal:
    """Writes rows about one dome.

    Parameters
    ----------
    record : callable
        Writes a row; its failures are logged with what the row would have said.
    dome : str
        The subject of the rows.
    """

    def __init__(self, record: Record, dome: str) -> None:
        self._record = record
        self._dome = dome
        self._lane = Lane("dome-journal")

    def write(self, who: str, what: str, detail: dict[str, Any]) -> None:
        """Write a row soon; from any thread."""
        try:
            self._lane.submit(lambda: self._write(who, what, detail))
        except ObservatoryError as error:  # an answer that came after the end of the lanes
            log.info("Not in the journal: %s by %s %s: %s", what, who, detail, error)

    async def close(self, timeout_s: float) -> None:
        """Write what waits, and no more."""
        await self._lane.close(timeout_s)

    def _write(self, who: str, what: str, detail: dict[str, Any]) -> None:
        try:
            self._record(who, what, self._dome, detail)
        except ObservatoryError as error:
            log.warning("Not in the journal: %s by %s %s: %s", what, who, detail, error)
        except Exception:
            log.exception("Bug in the journal: %s by %s %s", what, who, detail)


def journal_values(state: DomeState, now_s: float) -> dict[str, Any]:
    """What is known of the dome, as JSON."""
    age_s = state.is_slewing.age_s(now_s)
    return {
        "azimuth_deg": state.azimuth_deg.value,
        "shutter": None if state.shutter.value is None else str(state.shutter.value),
        "is_slewing": state.is_slewing.value,
        "age_s": None if age_s is None else round(age_s, 3),
    }
