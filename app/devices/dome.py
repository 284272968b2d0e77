"""A dome on the wire."""

from __future__ import annotations

from alpaca.dome import Dome  # type: ignore[import-untyped]

from app.devices.transport import Wire
from app.model.dome import DomeFacts, DomeSample, ShutterState

#: ASCOM's numbers.
_SHUTTER = dict(
    enumerate((ShutterState.OPEN, ShutterState.CLOSED, ShutterState.OPENING, ShutterState.CLOSING, ShutterState.ERROR))
)
_MEMBERS = ("azimuth", "shutterstatus", "slewing", "atpark", "athome")


class AlpacaDome:
    """A `DomeClient` over Alpaca, for the thread of one lane.

    Parameters
    ----------
    server : str
        ``HOST:PORT``; it is not asked before the first call.
    device : int
        Number of the dome at that server.
    """

    def __init__(self, server: str, device: int) -> None:
        self._wire = Wire(server, "dome", device)
        self._dome = self._wire.carry(Dome(server, device))

    def connect(self) -> DomeFacts:
        """Connect the device unless it is connected, and read what it is and can do."""
        version = self._wire.connect()
        return DomeFacts(
            name=str(self._dome.Name),
            interface_version=version,
            can_set_azimuth=self._wire.flag("cansetazimuth", self._dome.CanSetAzimuth),
            can_set_shutter=self._wire.flag("cansetshutter", self._dome.CanSetShutter),
            can_park=self._wire.flag("canpark", self._dome.CanPark),
            can_find_home=self._wire.flag("canfindhome", self._dome.CanFindHome),
        )

    def read(self) -> DomeSample:
        """Everything that changes, in one request where the server can."""
        wire, values = self._wire, self._wire.values(_MEMBERS)
        return DomeSample(
            azimuth_deg=self._azimuth_deg(values["azimuth"]),
            shutter=self._shutter(values["shutterstatus"]),
            is_slewing=wire.flag("slewing", values["slewing"]),
            is_at_park=wire.optional_flag("atpark", values["atpark"]),
            is_at_home=wire.optional_flag("athome", values["athome"]),
        )

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        """Begin to turn; 0 <= azimuth < 360."""
        self._dome.SlewToAzimuth(azimuth_deg)

    def open_shutter(self) -> None:
        """Begin to open."""
        self._dome.OpenShutter()

    def close_shutter(self) -> None:
        """Begin to close."""
        self._dome.CloseShutter()

    def park(self) -> None:
        """Begin to turn to the park position."""
        self._dome.Park()

    def find_home(self) -> None:
        """Begin to look for the home sensor."""
        self._dome.FindHome()

    def abort_slew(self) -> None:
        """Stop everything that moves."""
        self._dome.AbortSlew()

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        self._wire.warm()

    def close(self) -> None:
        """Let the connection to the server go; the device stays as it is."""
        self._wire.close()

    def _azimuth_deg(self, value: object) -> float | None:
        azimuth_deg = self._wire.optional_number("azimuth", value)
        if azimuth_deg is not None and not 0.0 <= azimuth_deg <= 360.0:
            raise self._wire.nonsense("azimuth", value)
        return 0.0 if azimuth_deg == 360.0 else azimuth_deg

    def _shutter(self, value: object) -> ShutterState | None:
        number = self._wire.optional_number("shutterstatus", value)
        if number is not None and number not in _SHUTTER:
            raise self._wire.nonsense("shutterstatus", value)
        return None if number is None else _SHUTTER[int(number)]
