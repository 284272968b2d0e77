"""Saving settings: comments stay, and nothing that would not work is written."""

from __future__ import annotations

import pytest

from app.model.errors import SettingsRefused
from app.services.settings_file import save_tables

WRITTEN = '# my observatory\n[site]\nname = "Hill"  # above the town\nlatitude_deg = 28.76\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "folder" / "settings.toml"
    path.parent.mkdir()
    path.write_text(WRITTEN)
    return path


def test_a_table_is_merged_and_comments_stay(file):
    settings = save_tables(file, {"dome": {"server": "10.0.0.5:11111", "device": 1}, "site": {"elevation_m": 2350.0}})
    text = file.read_text()
    assert "# my observatory" in text
    assert "# above the town" in text
    assert (settings.dome.server, settings.dome.device) == ("10.0.0.5:11111", 1)
    assert (settings.site.name, settings.site.elevation_m) == ("Hill", 2350.0)


def test_none_takes_a_line_out(file):
    assert save_tables(file, {"site": {"name": None}}).site.name == "Unnamed observatory"
    assert "Hill" not in file.read_text()


def test_impossible_values_change_nothing(file):
    with pytest.raises(SettingsRefused, match=r"dome\.server"):
        save_tables(file, {"dome": {"server": "nowhere"}, "site": {"latitude_deg": 12.0}})
    assert file.read_text() == WRITTEN


def test_a_first_file_is_made_with_its_folder(tmp_path):
    file = tmp_path / "config" / "settings.toml"
    assert save_tables(file, {"mount": {"server": "10.0.0.5:11111"}}).mount.server == "10.0.0.5:11111"
    assert list(file.parent.iterdir()) == [file]


def test_a_broken_file_is_left_as_it_is(file):
    file.write_text("[site\n")
    with pytest.raises(SettingsRefused, match="TOML"):
        save_tables(file, {"site": {"name": "Hill"}})
    assert file.read_text() == "[site\n"


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    (tmp_path / "config").write_text("a file, not a folder")
    with pytest.raises(SettingsRefused, match="allow writing"):
        save_tables(tmp_path / "config" / "settings.toml", {"site": {"name": "Hill"}})


def test_contact_within_the_building_is_merged_beside_the_collision_rule(file):
    save_tables(file, {"enclosure": {"can_hit_mount": True}})
    contact = {"server": "10.0.0.5:11111", "device": 0, "contact": 3, "is_inverted": True, "unique_id": ""}
    save_tables(file, {"enclosure": {"closed": contact}})
    settings = save_tables(file, {"enclosure": {"can_hit_mount": False}})
    assert settings.enclosure.can_hit_mount is False
    assert settings.enclosure.closed.contact == 3
    open_again = save_tables(file, {"enclosure": {"can_hit_mount": None, "closed": {"server": None}}})
    assert open_again.enclosure.can_hit_mount is None
    assert open_again.enclosure.closed.server is None
