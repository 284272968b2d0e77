"""`cupola simulate`: the simulated observatory as an Alpaca server on loopback, a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from math import inf, isfinite

from app.bootstrap.night import NIGHT_VARIABLE, sky_clock
from app.model.errors import ObservatoryError
from app.sim.discovery import DISCOVERY_PORT
from app.sim.drivers import Make
from app.sim.observatory import SimulatedObservatory
from app.sim.place import NONCE_VARIABLE
from app.sim.serving import HOST, listen, serve


def run(
    port: int,
    scale: float,
    *,
    frozen: bool,
    idle_s: float | None,
    discovery_port: int = DISCOVERY_PORT,
    make: Make | None = None,
) -> int:
    """Serve until the control path, a signal or idleness ends it; one line of JSON on stdout when it is ready.

    Parameters
    ----------
    port : int
        TCP port on loopback; 0 takes any free one.
    scale : float
        How much quicker than in truth the motors are.
    frozen : bool
        Time stands still, for pictures: at the time of the environment's night, if there is one.
    idle_s : float or None
        End so long after the newest request.
    discovery_port : int
        UDP port on which discovery is answered.
    make : Make or None
        Of which make the drivers are; None for a dome with a slit, of interface version 3.

    Returns
    -------
    int
        0.

    Raises
    ------
    ObservatoryError
        The port is taken, the scale is none, or the night in the environment is none.
    """
    if not (isfinite(scale) and 0.0 < scale <= 1000.0):
        raise ObservatoryError(f"The scale of the simulation is {scale:g}: give more than 0, and at most 1000")
    if idle_s is not None and not 0.0 < idle_s < inf:
        raise ObservatoryError(f"The simulation is to end {idle_s:g} s after its last client: give more than 0 s")
    observatory = _picture() if frozen else SimulatedObservatory(sky_clock(), scale)
    with listen(port) as listener:
        ready = json.dumps({"server": f"{HOST}:{listener.getsockname()[1]}", "pid": os.getpid()})
        asyncio.run(
            serve(
                observatory,
                listener,
                make=make or Make(),
                nonce=os.environ.get(NONCE_VARIABLE) or secrets.token_hex(16),
                idle_s=idle_s,
                discovery_port=discovery_port,
                announce=lambda: print(ready, flush=True),
            )
        )
    return 0


def _picture() -> SimulatedObservatory:
    if os.environ.get(NIGHT_VARIABLE):
        return SimulatedObservatory.for_pictures(sky_clock().utc())
    return SimulatedObservatory.for_pictures()
