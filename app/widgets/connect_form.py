"""Connect your observatory: discover, choose, test, save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.model.found_device import FoundDevice
from app.model.settings import Device, Settings
from app.widgets import theme
from app.widgets.cells import TextDelegate
from app.widgets.roles import set_role
from app.widgets.table_form import LABEL_PX, answer_box

_EXAMPLE = "192.168.1.20:11111"
#: What the question of the collision rule means.
COLLISION_HELP = "no: a dome with a slit; yes: roll-off roof, clamshell, drop-out shutter"
_NOT_ANSWERED = "no: a slit; yes: a roof or clamshell. OPEN is refused until it is answered"
#: Height of the table of found devices.
_LEAST_ROWS, _MOST_ROWS = 2, 3
#: Alpaca's device types that are more than one word.
_KINDS = {
    "covercalibrator": "Cover calibrator",
    "filterwheel": "Filter wheel",
    "observingconditions": "Weather station",
    "safetymonitor": "Safety monitor",
}
_AnyIndex = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class _Role:
    """A table of the settings that names one device."""

    key: str
    title: str
    alpaca_kind: str
    without: str


_ROLES = (
    _Role("dome", "Dome", "dome", "empty: the simulated observatory"),
    _Role("mount", "Mount", "telescope", "empty: no mount"),
    _Role("safety_monitor", "Safety monitor", "safetymonitor", "empty: no safety monitor"),
    _Role("weather", "Weather", "observingconditions", "empty: no weather station"),
    _Role("cover", "Mirror cover", "covercalibrator", "empty: no mirror cover"),
)


class _FoundTable(QAbstractTableModel):
    """Devices that answered, by server, kind and number."""

    _HEADERS = ("Kind", "Name", "Server", "Number", "Used as")

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.lines: list[FoundDevice] = []

    def add(self, line: FoundDevice) -> None:
        """Put a line at its place; a known device stays where it is."""
        order = sorted({*self.lines, line}, key=lambda one: (one.server, one.kind, one.number))
        if line not in self.lines:
            place = order.index(line)
            self.beginInsertRows(QModelIndex(), place, place)
            self.lines = order
            self.endInsertRows()

    def clear(self) -> None:
        """Forget all."""
        self.beginResetModel()
        self.lines = []
        self.endResetModel()

    def rowCount(self, parent: _AnyIndex = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """How many answered."""
        return 0 if parent.isValid() else len(self.lines)

    def columnCount(self, parent: _AnyIndex = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Kind, name, server, number, use."""
        return len(self._HEADERS)

    def data(self, index: _AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, and the same as tooltips."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        return self.cell(index.row(), index.column())[0]

    def cell(self, row: int, column: int) -> tuple[str, str]:
        """Text and colour of a cell; what cannot be used is quiet."""
        line = self.lines[row]
        use = role_of(line)
        texts = (
            _KINDS.get(line.kind, line.kind.capitalize()),
            line.name,
            line.server,
            str(line.number),
            use.title if use else "contacts" if line.kind == "switch" else "not used yet",
        )
        return texts[column], "text" if use else "dim"

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._HEADERS[section]
        return None


def role_of(line: FoundDevice) -> _Role | None:
    """What a device can be here; None for kinds that are not used yet."""
    return next((role for role in _ROLES if role.alpaca_kind == line.kind), None)


class _Chosen(QWidget):
    """One chosen device: address, number, and what a test of it said."""

    edited = Signal()  #: Address or number changed.
    test_requested = Signal(str, int)  #: Server and device number.

    def __init__(self, role: _Role) -> None:
        super().__init__()
        self._role = role
        self._known = Device()
        title = QLabel(role.title)
        title.setFixedWidth(LABEL_PX)
        self.server = QLineEdit(placeholderText=role.without)
        self.server.setFixedWidth(280)
        self.server.setAccessibleName(f"Server of the {role.title.lower()}, HOST:PORT")
        self.number = QLineEdit("0")
        self.number.setFixedWidth(48)
        self.number.setAccessibleName(f"Device number of the {role.title.lower()}")
        self.number.setToolTip("Alpaca device number at that server, usually 0")
        self.test = QPushButton("Test")
        self.test.setAccessibleName(f"Test the {role.title.lower()}")
        self.result = QLabel(wordWrap=True)
        title.setBuddy(self.server)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.NEAR_PX)
        number_sign = QLabel("device")
        number_sign.setProperty("role", "dim")
        for part in (title, self.server, number_sign, self.number, self.test):
            row.addWidget(part)
        row.addWidget(self.result, 1)
        self.server.textChanged.connect(self._check)
        self.number.textChanged.connect(self._check)
        self.test.clicked.connect(self._ask)
        self._check()

    def load(self, device: Device) -> None:
        """Show what the settings say, and remember by what name the device is found again."""
        self._known = device
        self.server.setText(device.server or "")
        self.number.setText(str(device.device))

    @property
    def fault(self) -> str | None:
        """What is wrong with it."""
        try:
            Device.model_validate({name: value for name, value in self.table().items() if value is not None})
        except ValidationError as error:
            messages = [fault["msg"].removeprefix("Value error, ") for fault in error.errors()]
            return messages[0] if "HOST" in messages[0] else "the device number must be 0 or a whole number above"
        return None

    def table(self) -> dict[str, Any]:
        """As the settings write it; None takes the line out, as that of the UniqueID of a device that was typed over."""
        text = self.number.text().strip()
        server, number = self.server.text().strip() or None, int(text) if text.isdecimal() else text
        is_known = (server, number) == (self._known.server, self._known.device)
        return {"server": server, "device": number, "unique_id": (is_known and self._known.unique_id) or None}

    def say(self, sentence: str, role: str) -> None:
        """Say what came of it."""
        self.result.setText(sentence)
        set_role(self.result, role)

    def _check(self) -> None:
        fault, is_empty = self.fault, not self.server.text().strip()
        self.server.setProperty("fault", fault is not None and "HOST" in fault)
        self.number.setProperty("fault", fault is not None and "HOST" not in fault)
        for part in (self.server, self.number):
            part.style().polish(part)
        self.say(fault or "", "attention")
        why = fault or ("Name a server first" if is_empty else "Ask the device for its name and state; nothing moves")
        self.test.setEnabled(fault is None and not is_empty)
        self.test.setToolTip(why)
        self.test.setAccessibleDescription(why)
        self.edited.emit()

    def _ask(self) -> None:
        self.say("asking …", "dim")
        table = self.table()
        self.test_requested.emit(str(table["server"]), int(table["device"]))


class ConnectForm(QWidget):
    """The four steps from nothing to a connected observatory."""

    discover_requested = Signal()  #: Look for Alpaca servers on the network.
    probe_requested = Signal(str)  #: Ask one HOST:PORT for its devices.
    test_requested = Signal(str, str, int)  #: Kind (table of the settings), server, device number.
    save_requested = Signal(dict)  #: Tables of the settings; a None takes its line out.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._discover = QPushButton("Discover")
        self._discover.setProperty("kind", "primary")
        self._discover.setToolTip("Ask every Alpaca server of this network for its devices; takes some seconds")
        self._manual = QLineEdit(placeholderText=f"such as {_EXAMPLE}")
        self._manual.setAccessibleName("Address of a server, HOST:PORT")
        self._manual.setFixedWidth(280)
        self._ask = QPushButton("Ask this server")
        self._said = QLabel(wordWrap=True)
        self._model = _FoundTable(self)
        self._table = self._found_table()
        self._use = QPushButton("Use selected")
        self.chosen = {role.key: _Chosen(role) for role in _ROLES}
        self.can_hit_mount = answer_box()
        self._meaning = QLabel(wordWrap=True)
        self._save = QPushButton("Save")
        self._save.setProperty("kind", "primary")
        self._saved = QLabel(wordWrap=True)
        self._build()
        self._discover.clicked.connect(self._begin_discovery)
        self._ask.clicked.connect(self._begin_probe)
        self._manual.returnPressed.connect(self._begin_probe)
        self._manual.textChanged.connect(self._check_manual)
        self._table.activated.connect(self._choose)
        self._use.clicked.connect(self._choose_selected)
        self._table.selectionModel().selectionChanged.connect(self._check_selection)
        self._save.clicked.connect(self._ask_to_save)
        for key, line in self.chosen.items():
            line.edited.connect(self._check_all)
            line.test_requested.connect(lambda server, number, key=key: self.test_requested.emit(key, server, number))
        self._check_manual()
        self._check_selection()
        self._check_all()

    def load(self, settings: Settings) -> None:
        """Show what the settings say."""
        for key, line in self.chosen.items():
            line.load(getattr(settings, key))
        self.can_hit_mount.setCurrentIndex(self.can_hit_mount.findData(settings.enclosure.can_hit_mount))

    def add_found(self, lines: tuple[FoundDevice, ...]) -> None:
        """Show devices that answered, as they come."""
        for line in lines:
            self._model.add(line)
        self._nothing.setVisible(not self._model.lines)
        self._fit_table()

    def show_progress(self, sentence: str) -> None:
        """Say how the search goes on."""
        self._say(self._said, sentence, "dim")

    def show_result(self, key: str, sentence: str, ok: bool) -> None:
        """Say what came of ``discover``, ``save`` or the test of a kind."""
        if key in self.chosen:
            self.chosen[key].say(_judged(sentence, ok), "" if ok else "attention")
        elif key == "save":
            self._say(self._saved, _judged(sentence, ok), "" if ok else "attention")
        else:
            self._discover.setEnabled(True)
            self._check_manual()
            self._say(self._said, sentence, "dim" if ok else "attention")

    def focus_filter(self) -> None:
        """Put the cursor where an address is typed."""
        self._manual.setFocus()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        find = QHBoxLayout()
        find.setSpacing(theme.NEAR_PX)
        for part in (self._discover, _dim("or"), self._manual, self._ask):
            find.addWidget(part)
        find.addWidget(self._said, 1)
        column.addWidget(_step(1, "Discover", "finds the Alpaca servers of this network; an address always works"))
        column.addLayout(find)
        column.addWidget(_step(2, "Choose", "Enter or a double-click uses a device as what it is", self._use))
        nest = QGridLayout()
        self._nothing = _dim("Nothing found yet: press Discover, or give the address of a server.")
        nest.addWidget(self._table, 0, 0)
        nest.addWidget(self._nothing, 0, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        self._nothing.setContentsMargins(theme.NEAR_PX, 0, 0, theme.WIDE_PX)
        column.addLayout(nest)
        asks = "asks for name and state; nothing moves. Contacts of shutter, mount and mains: at the left"
        column.addWidget(_step(3, "Test", asks))
        lines = QVBoxLayout()
        lines.setSpacing(theme.TIGHT_PX)
        for line in self.chosen.values():
            lines.addWidget(line)
        lines.addLayout(self._collision_row())
        column.addLayout(lines)
        column.addWidget(_step(4, "Save", "takes effect at the next start", self._save, self._saved))
        column.addStretch()
        self._fit_table()

    def _collision_row(self) -> QHBoxLayout:
        """The one question that no driver answers."""
        question = QLabel("Can the closing roof hit the telescope?")
        question.setBuddy(self.can_hit_mount)
        self.can_hit_mount.setAccessibleName(question.text())
        self.can_hit_mount.setAccessibleDescription(COLLISION_HELP)
        self.can_hit_mount.setToolTip(COLLISION_HELP)
        self._judge_answer()
        self.can_hit_mount.currentIndexChanged.connect(self._judge_answer)
        row = QHBoxLayout()
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(question)
        row.addWidget(self.can_hit_mount)
        row.addWidget(self._meaning, 1)
        return row

    def _judge_answer(self) -> None:
        """A question that is open says what that costs."""
        is_open = self.can_hit_mount.currentData() is None
        self._say(self._meaning, _NOT_ANSWERED if is_open else COLLISION_HELP, "attention" if is_open else "dim")

    def _found_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setAccessibleName("Devices that answered")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setShowGrid(False)
        table.setFrameShape(QFrame.Shape.NoFrame)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        for column, width in enumerate((170, 0, 190, 80, 130)):
            header.resizeSection(column, width)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        table.setItemDelegate(TextDelegate(self._model.cell, table))
        return table

    def _fit_table(self) -> None:
        """As high as what was found, within limits: the steps below stay near."""
        rows = min(max(len(self._model.lines), _LEAST_ROWS), _MOST_ROWS)
        self._table.setFixedHeight(self._table.horizontalHeader().sizeHint().height() + rows * theme.ROW_PX + 2)

    def _begin_discovery(self) -> None:
        self._model.clear()
        self._nothing.show()
        self._fit_table()
        self._say(self._said, "searching …", "dim")
        self._discover.setEnabled(False)
        self._discover.setAccessibleDescription("The search goes on")
        self.discover_requested.emit()

    def _begin_probe(self) -> None:
        if self._ask.isEnabled():
            self._say(self._said, "asking …", "dim")
            self.probe_requested.emit(self._manual.text().strip())

    def _check_manual(self) -> None:
        text = self._manual.text().strip()
        is_good = bool(text)
        try:
            Device.model_validate({"server": text or None})
        except ValidationError:
            is_good = False
        self._manual.setProperty("fault", bool(text) and not is_good)
        self._manual.style().polish(self._manual)
        why = "Ask this server for its devices" if is_good else f"Give HOST:PORT first, such as {_EXAMPLE}"
        self._ask.setEnabled(is_good)
        self._ask.setToolTip(why)
        self._ask.setAccessibleDescription(why)

    def _check_selection(self) -> None:
        rows = self._table.selectionModel().selectedRows()
        usable = [row for row in rows if role_of(self._model.lines[row.row()])]
        why = (
            "Use them as what they are"
            if usable
            else "Select a dome, telescope, safety monitor, weather or cover first"
        )
        self._use.setEnabled(bool(usable))
        self._use.setToolTip(why)
        self._use.setAccessibleDescription(why)

    def _check_all(self) -> None:
        faults = [f"{key}: {line.fault}" for key, line in self.chosen.items() if line.fault]
        why = "; ".join(faults) or "Write the settings file; takes effect at the next start"
        self._save.setEnabled(not faults)
        self._save.setToolTip(why)
        self._save.setAccessibleDescription(why)

    def _choose(self, index: QModelIndex) -> None:
        line = self._model.lines[index.row()]
        role = role_of(line)
        if role is None:
            is_switch = line.kind == "switch"
            how = "may have contacts: name them under “Contact” at the left" if is_switch else "is not used yet"
            self._say(self._said, f"{line.kind} {line.name} {how}", "attention")
            return
        chosen = self.chosen[role.key]
        chosen.load(Device(server=line.server, device=line.number, unique_id=line.unique_id or line.name))
        chosen.say(f"{line.name}: not tested yet", "dim")

    def _choose_selected(self) -> None:
        for index in self._table.selectionModel().selectedRows():
            self._choose(index)

    def _ask_to_save(self) -> None:
        self._say(self._saved, "saving …", "dim")
        tables = {key: line.table() for key, line in self.chosen.items()}
        self.save_requested.emit({**tables, "enclosure": {"can_hit_mount": self.can_hit_mount.currentData()}})

    @staticmethod
    def _say(label: QLabel, sentence: str, role: str) -> None:
        label.setText(sentence)
        set_role(label, role)


def _judged(sentence: str, ok: bool) -> str:
    """A sentence with a sign that says how it went, where colour does not."""
    return f"{'✓' if ok else '×'} {sentence}"


def _dim(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "dim")
    return label


def _step(number: int, title: str, what: str, *parts: QWidget) -> QWidget:
    """Headline of a step, and what belongs on its line."""
    step = QWidget()
    row = QHBoxLayout(step)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.NEAR_PX)
    name = QLabel(f"{number}  {title.upper()}")
    name.setProperty("role", "caption")
    small = QLabel(what)
    small.setProperty("role", "small")
    row.addWidget(name)
    row.addWidget(small)
    step.setMinimumHeight(theme.ROW_PX)
    for part in parts:
        row.addWidget(part)
    row.addStretch()
    return step
