"""Faults that the simulator shows on request: how a reply goes wrong, after the device has done what it was told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """What is wrong with the replies of the devices; the empty one is a server without faults.

    Attributes
    ----------
    members : tuple of str
        What it is wrong with: members (``"azimuth"``), devices (``"telescope"``) or both (``"dome/azimuth"``);
        everything when empty.
    hang_s : float
        Every reply waits so long, real seconds.
    html : bool
        Every reply is a page of HTML.
    status : int or None
        Every reply has this HTTP status and a text body.
    drop : bool
        The connection is closed without a reply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    members: tuple[str, ...] = ()
    hang_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    html: bool = False
    status: int | None = Field(default=None, ge=200, le=599)
    drop: bool = False

    def hit(self, device: str, member: str) -> bool:
        """Whether a request for that member of that device type, both in lower case, is hit."""
        return not self.members or not {member, device, f"{device}/{member}"}.isdisjoint(self.members)
