"""Settings: connect your observatory, then one form for each subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.model.found_device import FoundDevice
from app.model.settings import (
    MAIL_PASSWORD_VARIABLE,
    Calibration,
    Camera,
    Contact,
    Dome,
    Enclosure,
    FrontDesk,
    Guard,
    Mail,
    Quality,
    Settings,
    Site,
    Slaving,
    WeatherLimits,
)
from app.widgets import theme
from app.widgets.connect_form import COLLISION_HELP, ConnectForm
from app.widgets.roles import set_role
from app.widgets.table_form import TableForm, fields_of, label_and_unit

_LIST_PX = 220
_CONNECT = "Connect your observatory"
_CAMERAS = "Cameras"


@dataclass(frozen=True, slots=True)
class Subject:
    """One form of the page.

    Attributes
    ----------
    key : str
        Table of the settings, such as ``"enclosure.closed"``; empty for the lines above all tables.
    names : tuple of str
        Fields of the form.
    test : str
        Kind of the outside thing that can be tested, such as ``"mail"``; empty when there is none.
    """

    title: str
    key: str
    model: type[BaseModel]
    names: tuple[str, ...]
    what: str
    test: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """Names of the tables, from the outermost."""
        return tuple(self.key.split(".")) if self.key else ()

    def values_in(self, settings: Settings) -> BaseModel:
        """Its table of these settings."""
        return reduce(getattr, self.path, settings)

    def as_tables(self, values: dict[str, Any]) -> dict[str, Any]:
        """Its values in the tables around them, as they are saved."""
        return reduce(lambda inner, name: {name: inner}, reversed(self.path), values)


def _contact(title: str, name: str, means: str) -> Subject:
    what = f"An independent contact of an Alpaca switch device: on when {means}. Without a server there is none."
    return Subject(title, f"enclosure.{name}", Contact, fields_of(Contact), what, name)


SUBJECTS = (
    Subject("Site", "site", Site, fields_of(Site), "Where the observatory stands: WGS84, North and East positive."),
    Subject(
        "Dome",
        "dome",
        Dome,
        fields_of(Dome, "server", "device"),
        f"What the driver does not tell of the dome. Its address is chosen under “{_CONNECT}”.",
    ),
    Subject(
        "Enclosure",
        "enclosure",
        Enclosure,
        fields_of(Enclosure),
        "What is true of the building, and no driver tells. OPEN is refused until the first question is answered.",
    ),
    _contact("Contact: shutter", "closed", "the shutter is closed"),
    _contact("Contact: mount", "mount_parked", "the mount is parked"),
    _contact("Contact: mains", "mains", "the mains is there"),
    Subject(
        "Following",
        "slaving",
        Slaving,
        fields_of(Slaving),
        "The geometry by which the slit follows the telescope, from the dome's centre.",
    ),
    Subject("Guard", "guard", Guard, fields_of(Guard), "When the guard closes, and who may open again."),
    Subject(
        "Weather limits", "weather_limits", WeatherLimits, fields_of(WeatherLimits), "Beyond these the sky is unsafe."
    ),
    Subject(
        "Calibration",
        "calibration",
        Calibration,
        fields_of(Calibration),
        "When a frame is warned of, and how outliers go.",
    ),
    Subject(
        "Quality",
        "quality",
        Quality,
        fields_of(Quality),
        "Beyond the first limit a light is doubtful, beyond the worst it is left out of the stack.",
    ),
    Subject(
        "Mail",
        "mail",
        Mail,
        fields_of(Mail),
        f"Errors are mailed to the admins. The password comes from {MAIL_PASSWORD_VARIABLE}, never from the file.",
        "mail",
    ),
    Subject(
        "Front desk",
        "front_desk",
        FrontDesk,
        fields_of(FrontDesk),
        "Where orders come in: HTTP on this machine, and a folder.",
    ),
    Subject(
        "Storage",
        "",
        Settings,
        ("repository", "database"),
        "Where products and the record of all work are kept; empty: the user's data folder.",
        "database",
    ),
)

_BY_TITLE = {subject.title: subject for subject in SUBJECTS}
_TRIALS = {"mail": "Write a mail to every admin", "database": "Open the database"}

_NO_CAMERA = """No camera is described: what the headers say is taken.

To describe one, put such lines at the end of the settings file, with the INSTRUME of its headers:

    [[cameras]]
    instrument = "QHY600M"
    gain_e_per_adu = 0.78
    saturation_adu = 65535
    pixel_scale_arcsec = 0.62
    scale_dark = true
"""

_CONTACT_HELP = {
    "server": "HOST:PORT of the switch device",
    "device": "number of the switch device there",
    "unique_id": "by which it is found again; may stay empty",
    "contact": "number of the contact within the device",
    "is_inverted": "it is off when that is so",
}

_HELP = {
    "site": {
        "name": "stands in the strip, in titles and headers",
        "latitude_deg": "North positive",
        "longitude_deg": "East positive",
        "elevation_m": "above the sea",
    },
    "dome": {
        "unique_id": "by which it is found again; choosing the dome sets it",
        "progid": "name of an ASCOM driver on this Windows machine, instead of a server",
        "slit_width_deg": "seen from the centre",
        "park_deg": "where the driver parks it, for the dial",
        "home_deg": "where its home switch is, for the dial",
        "tolerance_deg": "a turn has arrived within this",
        "poll_s": "between two readings",
        "motion_start_s": "a motion that has not begun by then has failed",
        "motion_end_s": "a motion that has not ended by then has failed",
    },
    "weather_limits": {
        "wind_m_s": "mean of ten minutes",
        "gust_m_s": "the highest of late",
        "humidity_percent": "relative",
        "cloud_percent": "of the sky covered",
    },
    "enclosure": {
        "can_hit_mount": COLLISION_HELP,
        "shutter_azimuth_deg": "the shutter has its power there alone; empty: everywhere",
        "closes_when_abandoned": "the dome's own controller closes when nobody speaks to it",
    },
    "quality": {
        "fwhm_ratio": "star width over the median of its group",
        "worst_fwhm_ratio": "left out beyond this",
        "ellipticity": "1 - minor axis / major axis",
        "worst_ellipticity": "left out beyond this",
        "star_ratio": "stars over the most of its group",
        "worst_star_ratio": "left out below this",
        "worst_flux_ratio": "star flux over that of the clearest light; left out below this",
        "saturated_part": "saturated pixels over all that are valid",
        "worst_saturated_part": "left out beyond this",
    },
    "enclosure.closed": _CONTACT_HELP,
    "enclosure.mount_parked": _CONTACT_HELP,
    "enclosure.mains": _CONTACT_HELP,
    "slaving": {
        "dome_radius_m": "of the sphere",
        "pier_east_m": "where the mount's axes cross",
        "pier_north_m": "North positive",
        "pier_up_m": "above the dome's centre",
        "axis_to_tube_m": "from the polar axis to the middle of the tube",
        "lateral_m": "from the declination axis to the tube, sideways",
        "beam_diameter_m": "of the light that must come through",
        "slit_past_zenith_deg": "how far the slit reaches over the top",
        "slit_lower_edge_deg": "altitude of the slit's lower edge",
        "azimuth_zero_deg": "what the dome reads when the slit looks north",
        "margin": "part of the free way at which the dome moves on",
        "is_equatorial": "German equatorial; else alt-azimuth or fork",
    },
    "guard": {
        "lease_s": "a window or night that is not heard of for so long is dead",
        "closes_abandoned": "close when nobody lives any more; else alarm only",
        "silent_s": "a sensor that says nothing for so long is unsafe",
        "stop_countdown_s": "after a STOP of a safety close it closes again",
        "reopen_after_min": "safe for so long before the dome may open again",
        "open_at": "part of each weather limit that holds for opening",
        "reopenings_a_night": "without an operator",
        "sun_altitude_deg": "above it OPEN is refused, and the guard closes",
        "retry_s": "after the first failed close, doubled after each",
        "longest_retry_s": "between two tries at most",
        "motor_starts_an_hour": "what the shutter's motor bears",
    },
    "calibration": {
        "rejection": "of light stacks: auto, or the name of a method",
        "few_frames": "stacks of fewer frames are warned of",
        "flat_floor": "flat values below it are bad pixels",
        "flat_minimum_adu": "a flat with a lower median is underexposed",
        "position_radius_deg": "how far the header's position may be off",
        "faint_flux_ratio": "lights with less star flux than this part of the clearest are warned of",
    },
    "mail": {
        "host": "the mail server; without it no mail is written",
        "port": "usually 25, or 587 with STARTTLS",
        "sender": "address that the mails come from",
        "timeout_s": "a server that does not answer by then is asked again later",
        "admins": "addresses, with commas between",
        "user": "for servers that want a login",
        "starttls": "encrypt the connection",
    },
    "front_desk": {"port": "0 takes any free one", "drop_folder": "JSON files that are put there become orders"},
    "": {"repository": "folder of unpacked frames and products", "database": "SQLAlchemy URL"},
}


class SettingsPage(QWidget):
    """Subjects at the left, one of them at the right."""

    TITLE = "Settings"
    ICON = "settings"

    view_changed = Signal()  #: Another subject is shown.
    discover_requested = Signal()  #: Look for Alpaca servers on the network.
    probe_requested = Signal(str)  #: Ask one HOST:PORT for its devices.
    test_requested = Signal(str, str, int)  #: Kind, server, device number; the last two for devices only.
    save_requested = Signal(dict)  #: Tables of the settings; a None takes its line out of the file.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = QLabel(wordWrap=True)
        self._path.setProperty("role", "small")
        self._path.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._copy = QPushButton("Copy the path")
        self._copy.setProperty("kind", "link")
        self._copy.clicked.connect(self._copy_path)
        self._list = QListWidget()
        self._list.setAccessibleName("Subjects of the settings")
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._stack = QStackedWidget()
        self.connect_form = ConnectForm()
        self._forms: dict[str, SubjectForm] = {}
        self._places: dict[str, QVBoxLayout] = {}  # where the forms go
        self._settings: Settings | None = None
        self._cameras = QLabel(wordWrap=True, textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
        self._build()
        self._saver: SubjectForm | None = None
        self._path_text = ""
        self.connect_form.discover_requested.connect(self.discover_requested)
        self.connect_form.probe_requested.connect(self.probe_requested)
        self.connect_form.test_requested.connect(self.test_requested)
        self.connect_form.save_requested.connect(partial(self._save, None))
        self._list.currentRowChanged.connect(self._show)
        self._list.currentRowChanged.connect(lambda _row: self.view_changed.emit())
        self._list.setCurrentRow(0)

    def set_settings(self, settings: Settings, path: Path | None) -> None:
        """Show settings and where their file lies."""
        place = str(path) if path is not None else "no file yet: Save makes one"
        self._path.setText(f"Settings file\n{place}")
        self._path.setToolTip(place)
        self._copy.setVisible(path is not None)
        self._path_text = place
        self.connect_form.load(settings)
        self._settings = settings
        for subject in SUBJECTS:
            if subject.title in self._forms:
                self._forms[subject.title].load(subject.values_in(settings))
        self._cameras.setText(_cameras_text(settings))

    def form(self, title: str) -> SubjectForm:
        """The form of the subject of that title; made when it is first asked for: all of them are half of the window.

        Raises
        ------
        KeyError
            There is no such subject.
        """
        if title not in self._forms:
            subject = _BY_TITLE[title]
            form = self._forms[title] = SubjectForm(subject)
            if self._settings is not None:
                form.load(subject.values_in(self._settings))
            form.save_requested.connect(partial(self._save, form))
            form.test_requested.connect(self.test_requested)
            self._places[title].addWidget(_panel(title, subject.what, form))
        return self._forms[title]

    def add_found(self, lines: tuple[FoundDevice, ...]) -> None:
        """Show devices that answered, as they come."""
        self.connect_form.add_found(lines)

    def show_progress(self, sentence: str) -> None:
        """Say how the search for devices goes on."""
        self.connect_form.show_progress(sentence)

    def show_result(self, key: str, sentence: str, ok: bool) -> None:
        """Say what came of a wish, where it was made.

        Parameters
        ----------
        key : str
            ``discover``, ``probe``, ``save`` (of what was saved last), or the kind of a test.
        sentence : str
            What to say.
        ok : bool
            Whether it went well.
        """
        by_test = {form.test_kind: form for form in self._forms.values() if form.test_kind}
        if key == "save" and self._saver is not None:
            self._saver.say(sentence, ok)
        elif key in by_test:
            by_test[key].say(sentence, ok)
        else:
            self.connect_form.show_result(key, sentence, ok)

    def focus_filter(self) -> None:
        """There is nothing to search: go to the list of subjects."""
        self._list.setFocus()

    def view_state(self) -> dict[str, Any]:
        """Which subject is shown."""
        item = self._list.currentItem()
        return {"subject": item.text() if item is not None else _CONNECT}

    def restore_view(self, state: dict[str, Any]) -> None:
        """Show the subject again."""
        self.show_subject(str(state.get("subject", "")))

    def show_subject(self, title: str) -> None:
        """Show the subject of that title; another title changes nothing."""
        for item in self._list.findItems(title, Qt.MatchFlag.MatchExactly):
            self._list.setCurrentItem(item)

    def _build(self) -> None:
        left = QWidget()
        left.setProperty("surface", "panel")
        left.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        left.setFixedWidth(_LIST_PX)
        column = QVBoxLayout(left)
        column.setContentsMargins(theme.TIGHT_PX, theme.NEAR_PX, theme.TIGHT_PX, theme.NEAR_PX)
        self._path.setContentsMargins(theme.GAP_PX, 0, theme.NEAR_PX, 0)  # under the subjects' words
        copy_row = QHBoxLayout()
        copy_row.setContentsMargins(theme.GAP_PX, 0, 0, 0)
        copy_row.addWidget(self._copy)
        copy_row.addStretch()
        column.addWidget(self._list, 1)
        column.addWidget(self._path)
        column.addLayout(copy_row)
        self._add(_CONNECT, _panel(_CONNECT, "Four steps to real devices, over ASCOM Alpaca.", self.connect_form))
        for subject in SUBJECTS:
            page = QWidget()
            place = self._places[subject.title] = QVBoxLayout(page)
            place.setContentsMargins(0, 0, 0, 0)
            self._add(subject.title, page)
        what = "What headers do not say of a camera; written in the settings file, one [[cameras]] table each."
        self._add(_CAMERAS, _panel(_CAMERAS, what, self._cameras, stretch=True))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(left)
        row.addWidget(self._stack, 1)

    def _add(self, title: str, page: QWidget) -> None:
        QListWidgetItem(title, self._list)
        self._list.item(self._list.count() - 1).setSizeHint(_row_size())
        self._stack.addWidget(page)

    def _show(self, row: int) -> None:
        title = self._list.item(row).text()
        if title in self._places:
            self.form(title)
        self._stack.setCurrentIndex(row)

    def _save(self, saver: SubjectForm | None, tables: dict[str, Any]) -> None:
        """Pass a wish on, and remember where its answer belongs."""
        self._saver = saver
        self.save_requested.emit(tables)

    def _copy_path(self) -> None:
        QGuiApplication.clipboard().setText(self._path_text)


class SubjectForm(QWidget):
    """A form with its save button, its test, and what came of them."""

    save_requested = Signal(dict)  #: One table of the settings.
    test_requested = Signal(str, str, int)  #: Kind of the thing; no server, no number.

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self._subject = subject
        self.form = TableForm(subject.model, subject.names, _HELP.get(subject.key, {}))
        self.save = QPushButton("Save")
        self.save.setProperty("kind", "primary")
        self.save.setAccessibleName(f"Save {subject.title}")
        self.test = QPushButton("Test")
        self.test.setVisible(bool(subject.test))
        self.test.setAccessibleName(f"Test {subject.title}")
        self.test.setToolTip(_TRIALS.get(subject.test, "Read the contact that is saved"))
        self.said = QLabel(wordWrap=True)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.NEAR_PX)
        buttons.addWidget(self.save)
        buttons.addWidget(self.test)
        buttons.addWidget(self.said, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.WIDE_PX)
        column.addWidget(self.form)
        column.addLayout(buttons)
        column.addStretch()
        self.form.changed.connect(self._tell_change)
        self.save.clicked.connect(self._ask_to_save)
        self.test.clicked.connect(self._ask_to_test)
        self._check()

    def load(self, values: BaseModel) -> None:
        """Show values."""
        self.form.load(values)
        self._check()

    @property
    def test_kind(self) -> str:
        """What can be tested here; empty when there is nothing."""
        return self._subject.test

    def say(self, sentence: str, ok: bool) -> None:
        """Say what came of saving or testing."""
        self.said.setText(sentence)
        set_role(self.said, "" if ok else "attention")

    def _tell_change(self) -> None:
        """After each edit: what of it is not saved, or cannot be."""
        self._check()
        if self.form.faults:
            self.say("Mend what is marked first", ok=False)
        elif self.form.is_changed:
            self.say("Changed, not saved. Saved settings take effect at the next start.", ok=True)
        else:
            self.say("", ok=True)

    def _check(self) -> None:
        faults, is_changed = self.form.faults, self.form.is_changed
        why = "Write the settings file; takes effect at the next start"
        if faults:
            why = "Mend what is marked first"
        elif not is_changed:
            why = "Nothing is changed"
        self.save.setEnabled(is_changed)
        self.save.setToolTip(why)
        self.save.setAccessibleDescription(why)

    def _ask_to_save(self) -> None:
        values = self.form.values()
        self.say("saving …", ok=True)
        self.save_requested.emit(self._subject.as_tables(values))

    def _ask_to_test(self) -> None:
        self.say("testing …", ok=True)
        self.test_requested.emit(self._subject.test, "", 0)


def _panel(title: str, what: str, content: QWidget, *, stretch: bool = False) -> QWidget:
    """A subject's panel: title, what it is, content; it scrolls where the window is small."""
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(theme.WIDE_PX, theme.GAP_PX, theme.WIDE_PX, theme.GAP_PX)
    column.setSpacing(theme.TIGHT_PX)
    for role, text in (("title", title), ("dim", what)):
        label = QLabel(text, wordWrap=True)
        label.setProperty("role", role)
        column.addWidget(label)
    column.addSpacing(theme.NEAR_PX)
    column.addWidget(content, 0 if stretch else 1)
    if stretch:
        column.addStretch()
    area = QScrollArea(widgetResizable=True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setProperty("surface", "panel")
    area.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    return area


def _row_size() -> QSize:
    return QSize(0, theme.ROW_PX + theme.TIGHT_PX)


def _cameras_text(settings: Settings) -> str:
    """Each camera as one paragraph."""
    if not settings.cameras:
        return _NO_CAMERA
    paragraphs = []
    for camera in settings.cameras:
        facts = []
        for name in fields_of(Camera, "instrument", "scale_dark"):
            label, unit = label_and_unit(name)
            value = getattr(camera, name)
            facts.append(f"{label}: {'from the header' if value is None else f'{value:g} {unit}'.strip()}")
        facts.append(f"Darks are {'' if camera.scale_dark else 'not '}scaled to other exposure times")
        paragraphs.append("\n    ".join((camera.instrument, *facts)))
    return "\n\n".join(paragraphs)
