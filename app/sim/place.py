"""Where and when the embedded observatory is: light to import, for the window's start and the simulator."""

from __future__ import annotations

from datetime import UTC, datetime

from app.model.settings import Contact, Dome, Enclosure, Site, Slaving

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

#: Numbers of the contacts on the simulated switch device.
CLOSED_CONTACT, PARKED_CONTACT, MAINS_CONTACT = 0, 1, 2
#: Its building: a slit, and independent contacts on the simulator, whose address is known when it runs.
ENCLOSURE = Enclosure(
    can_hit_mount=False,
    closed=Contact(contact=CLOSED_CONTACT),
    mount_parked=Contact(contact=PARKED_CONTACT),
    mains=Contact(contact=MAINS_CONTACT),
)
#: A German mount a little below the middle of a dome of five metres, with a telescope of 30 cm.
SLAVING = Slaving(
    dome_radius_m=2.5,
    pier_north_m=0.1,
    pier_up_m=-0.2,
    axis_to_tube_m=0.35,
    beam_diameter_m=0.3,
    slit_past_zenith_deg=15.0,
    slit_lower_edge_deg=5.0,
    is_equatorial=True,
)
