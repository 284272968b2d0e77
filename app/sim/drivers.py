"""The drivers of the simulated devices: of which make they are, and their restart."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.sim.alpaca_device import AlpacaDevice
from app.sim.dome import DomeModel
from app.sim.mount import MountKind
from app.sim.observatory import Equipment, SimulatedObservatory


class Make(BaseModel):
    """Of which make the drivers are, in the flat words of the command line and the control path.

    Attributes
    ----------
    interface : int
        The dome's interface version; below 3 all drivers are older than Platform 7.
    roof : str
        A dome with a slit, a roll-off roof, or a dome whose shutter has power at one azimuth only.
    has_altitude : bool
        Whether the dome's opening can be raised and lowered.
    can_slave : bool
        Whether the dome's driver can follow the mount.
    mount : MountKind
        What kind of mount there is.
    dome_number : int
        The dome's Alpaca device number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    interface: Literal[3, 2, 1] = 3
    roof: Literal["slit", "roll-off", "contacts"] = "slit"
    has_altitude: bool = False
    can_slave: bool = False
    mount: MountKind = "german"
    dome_number: int = Field(default=0, ge=0, le=2**32 - 1)

    def equipment(self) -> Equipment:
        """What an observatory with such drivers has."""
        dome = DomeModel(kind=self.roof, has_altitude=self.has_altitude, can_slave=self.can_slave)
        return Equipment(interface=self.interface, dome_number=self.dome_number, dome=dome, mount=self.mount)


class Drivers:
    """The drivers that run now; nothing of what they know outlives them, the devices behind them do.

    Attributes
    ----------
    make : Make
        Theirs.
    devices : tuple of AlpacaDevice
        What they show on the wire.
    """

    def __init__(self, observatory: SimulatedObservatory, make: Make) -> None:
        self._observatory = observatory
        self.make = make
        self.devices = self._started()

    def restart(self, change: Make) -> None:
        """End them all and start them anew: none is connected. Fields that are not given stay as they are."""
        self.make = self.make.model_copy(update=change.model_dump(include=change.model_fields_set))
        self.devices = self._started()

    def _started(self) -> tuple[AlpacaDevice, ...]:
        self._observatory.equip(self.make.equipment())
        return self._observatory.devices()
