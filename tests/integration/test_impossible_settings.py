"""Settings with impossible limits: every problem at once, and nothing is started."""

from __future__ import annotations

import json

import pytest

from app.model.errors import SettingsRefused
from app.model.settings import parse_settings
from tests.integration.nights import Home

IMPOSSIBLE = """
[dome]
server = "127.0.0.1:1"
park_deg = 360.0
tolerance_deg = 0.0
[guard]
lease_s = 1.0
silent_s = nan
stop_countdown_s = 5.0
[weather_limits]
wind_m_s = -3.0
gust_m_s = nan
[slaving]
dome_radius_m = 0.0
[enclosure]
shutter_azimuth_deg = 400.0
can_hit_mount = "perhaps"
[enclosure.closed]
server = "nowhere"
"""
FIELDS = {
    "dome.park_deg",
    "dome.tolerance_deg",
    "guard.lease_s",
    "guard.silent_s",
    "guard.stop_countdown_s",
    "weather_limits.wind_m_s",
    "weather_limits.gust_m_s",
    "slaving.dome_radius_m",
    "enclosure.shutter_azimuth_deg",
    "enclosure.can_hit_mount",
    "enclosure.closed.server",
}


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsRefused) as refused:
        parse_settings(IMPOSSIBLE, "Settings")
    assert {problem.field for problem in refused.value.problems} == FIELDS
    assert "guard.lease_s = 1.0: input should be greater than or equal to 5" in str(refused.value)
    assert "enclosure.closed.server = 'nowhere': 'nowhere' must be HOST:PORT" in str(refused.value)


@pytest.mark.parametrize("command", ["serve", "guard"])
def test_nothing_is_started(tmp_path, command):
    home = Home(tmp_path)
    settings = home.settings(IMPOSSIBLE)
    before = set(tmp_path.rglob("*"))
    ended = home.run(command, "--json")
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert str(settings) in said
    assert [field for field in FIELDS if field not in said] == []
    assert "Traceback" not in said
    assert isinstance(json.loads(ended.stdout), dict)
    made = {path.name for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert not [name for name in made if not name.startswith("cupola.log")], made
