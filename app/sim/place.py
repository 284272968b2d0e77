"""Where and when the embedded observatory is: light to import, for the window's start and the simulator."""

from __future__ import annotations

from datetime import UTC, datetime

from app.model.settings import Dome, Site

SITE = Site(name="Cupola example observatory", latitude_deg=28.76, longitude_deg=-17.88, elevation_m=2350.0)
#: When the night begins; the example field culminates over the site three hours later, 10 degrees from the zenith.
NIGHT = datetime(2024, 8, 5, 21, 0, tzinfo=UTC)

#: The Crescent nebula's field in Cygnus, in the Milky Way.
OBJECT = "NGC 6888"
CENTRE_RA_DEG, CENTRE_DEC_DEG = 303.03, 38.35

#: Environment variable that gives the simulator its nonce.
NONCE_VARIABLE = "CUPOLA_SIMULATOR_NONCE"

#: The simulated dome.
DOME = Dome(slit_width_deg=20.0, park_deg=255.0, home_deg=75.0, tolerance_deg=0.1, motion_end_s=120.0)
