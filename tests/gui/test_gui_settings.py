"""Settings: forms made of the model, checked while one types; connecting devices in four steps."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from app.model.found_device import FoundDevice
from app.model.settings import (
    Calibration,
    Contact,
    Device,
    Dome,
    Enclosure,
    Guard,
    Mail,
    Quality,
    Settings,
    Site,
    Slaving,
    WeatherLimits,
)
from app.widgets.settings_page import SUBJECTS, SettingsPage, SubjectForm
from app.widgets.table_form import TableForm, fields_of, label_and_unit

FOUND = (
    FoundDevice("192.168.1.20:11111", "telescope", 0, "10Micron", "10Micron-id"),
    FoundDevice("192.168.1.20:11111", "dome", 1, "Baader 3.5 m", "Baader 3.5 m-id"),
    FoundDevice("192.168.1.21:32323", "camera", 0, "SBIG", "SBIG-id"),
)


@pytest.fixture
def page(qtbot):
    made = SettingsPage()
    qtbot.addWidget(made)
    made.resize(1208, 624)
    made.show()
    made.set_settings(Settings(site=Site(name="Calar Alto", latitude_deg=37.2)), Path("/data/settings.toml"))
    made.saved, made.tested = [], []
    made.save_requested.connect(made.saved.append)
    made.test_requested.connect(lambda *what: made.tested.append(what))
    return made


def type_into(qtbot, editor, text):
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClick(editor, Qt.Key.Key_Delete)
    qtbot.keyClicks(editor, text)


@pytest.mark.parametrize(
    ("name", "label", "unit"),
    [
        ("latitude_deg", "Latitude", "°"),
        ("wind_m_s", "Wind", "m/s"),
        ("poll_s", "Poll", "s"),
        ("elevation_m", "Elevation", "m"),
        ("gain_e_per_adu", "Gain", "e⁻/adu"),
        ("humidity_percent", "Humidity", "%"),
        ("reopen_after_min", "Reopen after", "min"),
        ("dome_radius_m", "Dome radius", "m"),
        ("is_inverted", "Inverted", ""),
        ("unique_id", "UniqueID", ""),
        ("name", "Name", ""),
    ],
)
def test_units_come_from_the_names(name, label, unit):
    assert label_and_unit(name) == (label, unit)


def test_every_setting_has_a_place():
    shown = {(subject.key, name) for subject in SUBJECTS for name in subject.names}
    tables = {
        "site": Site, "dome": Dome, "mail": Mail, "calibration": Calibration, "weather_limits": WeatherLimits,
        "enclosure": Enclosure, "slaving": Slaving, "guard": Guard, "quality": Quality,
    }  # fmt: skip
    for key, model in tables.items():
        assert {(key, name) for name in fields_of(model, "server", "device")} <= shown
    for contact in ("closed", "mount_parked", "mains"):
        assert {(f"enclosure.{contact}", name) for name in Contact.model_fields} <= shown


def test_every_number_that_guards_the_dome_or_judges_a_light_says_what_it_means(page):
    for title in ("Enclosure", "Contact: shutter", "Following", "Guard", "Weather limits", "Dome", "Quality"):
        form = page.form(title).form
        silent = [name for name in form._editors if not form.sentence(name)]
        assert not silent, f"{title}: {silent}"


def test_question_that_may_stay_open_is_answered_in_its_form(page, qtbot):
    page.show_subject("Enclosure")
    form = page.form("Enclosure")
    choice = form.form.editor("can_hit_mount")
    assert choice.currentText() == "not answered"
    qtbot.keyClicks(choice, "yes")
    qtbot.mouseClick(form.save, Qt.MouseButton.LeftButton)
    assert page.saved == [
        {"enclosure": {"can_hit_mount": True, "shutter_azimuth_deg": None, "closes_when_abandoned": False}}
    ]
    page.set_settings(Settings(enclosure=Enclosure(can_hit_mount=True)), None)
    assert choice.currentText() == "yes"
    assert not form.save.isEnabled()
    page.set_settings(Settings(), None)
    assert choice.currentData() is None


def test_contact_is_saved_within_its_building_and_tried_out(page, qtbot):
    page.show_subject("Contact: mount")
    form = page.form("Contact: mount")
    type_into(qtbot, form.form.editor("server"), "192.168.1.20:11111")
    type_into(qtbot, form.form.editor("contact"), "3")
    qtbot.mouseClick(form.save, Qt.MouseButton.LeftButton)
    assert page.saved == [{"enclosure": {"mount_parked": {
        "server": "192.168.1.20:11111", "device": 0, "unique_id": "", "contact": 3, "is_inverted": False
    }}}]  # fmt: skip
    qtbot.mouseClick(form.test, Qt.MouseButton.LeftButton)
    assert page.tested == [("mount_parked", "", 0)]
    page.show_result("mount_parked", "contact 3 says yes", True)
    assert form.said.text() == "contact 3 says yes"


def test_password_is_never_shown():
    assert "password" not in fields_of(Mail)


def test_edit_is_saved_as_one_table(page, qtbot):
    form = page.form("Site")
    assert not form.save.isEnabled()
    page.show_subject("Site")
    type_into(qtbot, form.form.editor("latitude_deg"), "-31.5")
    assert form.save.isEnabled()
    assert "next start" in form.said.text()
    qtbot.mouseClick(form.save, Qt.MouseButton.LeftButton)
    assert page.saved == [
        {"site": {"name": "Calar Alto", "latitude_deg": -31.5, "longitude_deg": 0.0, "elevation_m": 0.0}}
    ]


@pytest.mark.parametrize(("text", "says"), [("97", "less than or equal to 90"), ("north", "valid number")])
def test_fault_stands_beside_its_field_and_stops_the_save(page, qtbot, text, says):
    form = page.form("Site")
    page.show_subject("Site")
    editor = form.form.editor("latitude_deg")
    type_into(qtbot, editor, text)
    assert says in form.form.sentence("latitude_deg")
    assert editor.property("fault") is True
    assert not form.save.isEnabled()
    assert "Mend" in form.save.toolTip()
    type_into(qtbot, editor, "45")
    assert editor.property("fault") is False


def test_list_and_emptied_field(page, qtbot):
    page.set_settings(Settings(mail=Mail(host="mail.example.org", admins=("a@x.org",))), None)
    page.show_subject("Mail")
    form = page.form("Mail")
    type_into(qtbot, form.form.editor("admins"), "a@x.org, b@x.org")
    type_into(qtbot, form.form.editor("host"), "")
    qtbot.mouseClick(form.save, Qt.MouseButton.LeftButton)
    assert page.saved[0]["mail"]["admins"] == ["a@x.org", "b@x.org"]
    assert page.saved[0]["mail"]["host"] is None


def test_bad_address_is_named(page, qtbot):
    page.show_subject("Mail")
    form = page.form("Mail").form
    type_into(qtbot, form.editor("admins"), "nobody")
    assert "'nobody' is no mail address" in form.sentence("admins")


def test_lines_above_all_tables_are_saved_without_a_table(page, qtbot):
    page.show_subject("Storage")
    type_into(qtbot, page.form("Storage").form.editor("database"), "sqlite:////data/c.sqlite")
    qtbot.mouseClick(page.form("Storage").save, Qt.MouseButton.LeftButton)
    assert page.saved == [{"repository": None, "database": "sqlite:////data/c.sqlite"}]


def test_same_settings_again_keep_what_is_typed(page, qtbot):
    page.show_subject("Site")
    editor = page.form("Site").form.editor("name")
    type_into(qtbot, editor, "La Silla")
    page.set_settings(Settings(site=Site(name="Calar Alto", latitude_deg=37.2)), None)
    assert editor.text() == "La Silla"


def test_answer_of_a_save_stands_where_it_was_asked(page, qtbot):
    page.show_subject("Site")
    form = page.form("Site")
    type_into(qtbot, form.form.editor("name"), "La Silla")
    qtbot.mouseClick(form.save, Qt.MouseButton.LeftButton)
    page.show_result("save", "Saved; takes effect at the next start", True)
    page.set_settings(Settings(site=Site(name="La Silla", latitude_deg=37.2)), None)
    assert form.said.text() == "Saved; takes effect at the next start"
    assert not form.save.isEnabled()


@pytest.mark.parametrize(("title", "kind"), [("Mail", "mail"), ("Storage", "database")])
def test_outside_things_can_be_tested(page, qtbot, title, kind):
    page.show_subject(title)
    qtbot.mouseClick(page.form(title).test, Qt.MouseButton.LeftButton)
    assert page.tested == [(kind, "", 0)]
    page.show_result(kind, "It answers", True)
    assert page.form(title).said.text() == "It answers"


def test_discover_choose_test_save(page, qtbot):
    form = page.connect_form
    with qtbot.waitSignal(page.discover_requested):
        qtbot.mouseClick(form._discover, Qt.MouseButton.LeftButton)
    assert not form._discover.isEnabled()
    page.add_found(FOUND[:2])
    page.add_found(FOUND)
    page.show_result("discover", "3 devices at 2 servers", True)
    assert form._discover.isEnabled()
    assert [line.kind for line in form._model.lines] == ["dome", "telescope", "camera"]
    form._table.selectRow(0)
    qtbot.mouseClick(form._use, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(form.chosen["dome"].test, Qt.MouseButton.LeftButton)
    assert page.tested == [("dome", "192.168.1.20:11111", 1)]
    page.show_result("dome", "Baader 3.5 m answers", True)
    assert form.chosen["dome"].result.text() == "✓ Baader 3.5 m answers"
    qtbot.mouseClick(form._save, Qt.MouseButton.LeftButton)
    assert page.saved[0]["dome"] == {"server": "192.168.1.20:11111", "device": 1, "unique_id": "Baader 3.5 m-id"}
    assert page.saved[0]["mount"] == {"server": None, "device": 0, "unique_id": None}
    assert page.saved[0]["enclosure"] == {"can_hit_mount": None}
    page.show_result("save", "Saved", True)
    assert form._saved.text() == "✓ Saved"


def test_whether_the_roof_can_hit_the_telescope_is_asked_where_one_connects(page, qtbot):
    form = page.connect_form
    assert "OPEN is refused until" in form._meaning.text()
    assert form._meaning.property("role") == "attention"
    qtbot.keyClick(form.can_hit_mount, Qt.Key.Key_Down)
    assert "OPEN" not in form._meaning.text()
    qtbot.mouseClick(form._save, Qt.MouseButton.LeftButton)
    assert page.saved[0]["enclosure"] == {"can_hit_mount": False}
    page.set_settings(Settings(enclosure=Enclosure(can_hit_mount=True)), None)
    assert form.can_hit_mount.currentText() == "yes"


def test_connecting_needs_no_scrolling_on_a_small_screen(page, qtbot):
    page.add_found(tuple(FoundDevice("10.0.0.5:1", kind, 0, kind, kind) for kind in ("dome", "switch", "camera", "x")))
    page.show_subject("Connect your observatory")
    bar = page._stack.currentWidget().verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() == 0)


def test_found_switch_says_where_its_contacts_are_named(page):
    page.add_found((FoundDevice("192.168.1.20:11111", "switch", 0, "Relay", "Relay-id"),))
    page.connect_form._table.activated.emit(page.connect_form._model.index(0, 0))
    assert "Contact" in page.connect_form._said.text()


def test_device_of_another_kind_is_refused_with_a_sentence(page, qtbot):
    page.add_found(FOUND)
    page.connect_form._table.selectRow(2)
    assert not page.connect_form._use.isEnabled()
    page.connect_form._table.activated.emit(page.connect_form._model.index(2, 0))
    assert "not used yet" in page.connect_form._said.text()


@pytest.mark.parametrize("text", ["192.168.1.20", "host:99999", ":11111", "host:port"])
def test_bad_address_of_a_server_cannot_be_tested_or_saved(page, qtbot, text):
    chosen = page.connect_form.chosen["dome"]
    type_into(qtbot, chosen.server, text)
    assert not chosen.test.isEnabled()
    assert "HOST:PORT" in chosen.result.text()
    assert not page.connect_form._save.isEnabled()


def test_bad_device_number_is_marked(page, qtbot):
    chosen = page.connect_form.chosen["dome"]
    type_into(qtbot, chosen.server, "localhost:11111")
    type_into(qtbot, chosen.number, "-1")
    assert chosen.number.property("fault") is True
    assert not page.connect_form._save.isEnabled()


def test_manual_address_is_asked_with_enter(page, qtbot):
    manual = page.connect_form._manual
    type_into(qtbot, manual, "localhost")
    with qtbot.assertNotEmitted(page.probe_requested):
        qtbot.keyClick(manual, Qt.Key.Key_Return)
    type_into(qtbot, manual, "localhost:11111")
    with qtbot.waitSignal(page.probe_requested) as asked:
        qtbot.keyClick(manual, Qt.Key.Key_Return)
    assert asked.args == ["localhost:11111"]
    page.show_result("probe", "localhost:11111 does not answer", False)
    assert page.connect_form._said.property("role") == "attention"


def test_chosen_devices_come_from_the_settings(page):
    dome = Dome(server="10.0.0.5:11111", device=2, unique_id="Baader-id")
    page.set_settings(Settings(dome=dome, weather=Device(server="w:1")), None)
    assert page.connect_form.chosen["dome"].table() == {
        "server": "10.0.0.5:11111", "device": 2, "unique_id": "Baader-id"
    }  # fmt: skip
    assert page.connect_form.chosen["weather"].table() == {"server": "w:1", "device": 0, "unique_id": None}


def test_a_device_that_is_typed_over_is_not_looked_for_by_the_old_name(page, qtbot):
    page.set_settings(Settings(dome=Dome(server="10.0.0.5:11111", device=2, unique_id="Baader-id")), None)
    chosen = page.connect_form.chosen["dome"]
    type_into(qtbot, chosen.number, "3")
    assert chosen.table() == {"server": "10.0.0.5:11111", "device": 3, "unique_id": None}


def test_a_device_without_a_unique_id_is_remembered_by_its_name(page):
    page.add_found((FoundDevice("192.168.1.20:11111", "covercalibrator", 0, "Alnitak", ""),))
    page.connect_form._table.activated.emit(page.connect_form._model.index(0, 0))
    assert page.connect_form.chosen["cover"].table()["unique_id"] == "Alnitak"


@pytest.mark.parametrize("state", [{}, {"subject": 7}, {"subject": "Gone"}])
def test_view_comes_back_and_nonsense_is_none(page, state):
    page.show_subject("Mail")
    kept = page.view_state()
    page.restore_view(state)
    assert page.view_state() == kept == {"subject": "Mail"}


def test_form_alone_tells_of_edits(qtbot):
    form = TableForm(Site, fields_of(Site), {})
    qtbot.addWidget(form)
    form.load(Site())
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(form.editor("name"), "x")


def test_steps_stand_together_however_few_devices_were_found(page):
    table = page.connect_form._table
    empty_px = table.height()
    page.add_found(FOUND)
    assert empty_px <= 4 * 28
    assert table.height() == empty_px + 28


def test_form_that_is_first_seen_after_the_settings_shows_them(page, qtbot):
    page.set_settings(Settings(site=Site(name="Paranal")), None)
    assert len(page.findChildren(SubjectForm)) == 0  # half of the window's start
    page.show_subject("Site")
    (form,) = page.findChildren(SubjectForm)
    assert form.isVisible()
    assert form.form.editor("name").text() == "Paranal"
    assert not form.save.isEnabled()
