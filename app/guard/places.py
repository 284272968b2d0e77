"""Where the guarded devices are: one address of each, for eyes and errands, followed when a server moves them."""

from __future__ import annotations

from dataclasses import dataclass

from app.devices.address import Address
from app.devices.ascom import AscomDome, AscomDriver
from app.devices.dome import AlpacaDome
from app.model.guard import GuardPlan
from app.model.ports import DomeClient
from app.model.settings import Device


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses; None where there is no such device.

    Attributes
    ----------
    driver : AscomDriver or None
        The dome's driver on this machine, which stands instead of an address.
    """

    dome: Address
    driver: AscomDriver | None
    mount: Address | None
    safety: Address | None
    weather: Address | None
    cover: Address | None
    closed: Address | None
    parked: Address | None
    mains: Address | None

    @classmethod
    def of(cls, plan: GuardPlan) -> Places:
        """Those of a plan."""
        return cls(
            Address(plan.dome.server or "", plan.dome.device, plan.dome.unique_id),
            AscomDriver(plan.dome.progid) if plan.dome.progid else None,
            _address(plan.mount),
            _address(plan.safety_monitor),
            _address(plan.weather),
            _address(plan.cover),
            _address(plan.enclosure.closed),
            _address(plan.enclosure.mount_parked),
            _address(plan.enclosure.mains),
        )

    def dome_client(self) -> DomeClient:
        """A client of the dome that has not asked it yet."""
        return AlpacaDome(self.dome) if self.driver is None else AscomDome(self.driver)


def _address(device: Device) -> Address | None:
    return None if device.server is None else Address(device.server, device.device, device.unique_id)
