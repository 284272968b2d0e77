"""`cupola inspect`: how frames are recognised, and an operator's correction of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from app.bootstrap.observatory import database_url, open_observatory, settings_file, settings_of
from app.bootstrap.program import operator
from app.commands.console import BAD_USAGE, DONE, FAILED, give, refuse, say
from app.frames.dialects import facts as facts_of
from app.frames.fits_io import checksum
from app.frames.headers import is_frame_name, read_header
from app.frames.recognise import recognise
from app.model.errors import ObservatoryError
from app.model.frame import FrameKind, Recognition
from app.store.engine import sqlite_file


class Verdict(StrEnum):
    """What an operator decides about a frame, whatever was found."""

    USE = "use"
    LEAVE_OUT = "leave out"
    AS_FOUND = "as found"

    @property
    def is_used(self) -> bool | None:
        """As the database keeps it."""
        return {Verdict.USE: True, Verdict.LEAVE_OUT: False, Verdict.AS_FOUND: None}[self]


def run(path: Path, correct_to: FrameKind | None, verdict: Verdict | None = None, *, as_json: bool) -> int:
    """Say how each frame is recognised; `correct_to` and `verdict` are remembered: the operator knows better."""
    path = path.expanduser()
    if not path.exists():
        return refuse(f"{path} does not exist: check the path", as_json=as_json, code=BAD_USAGE)
    if correct_to is FrameKind.UNSURE:
        sentence = "--as unsure says nothing: take bias, dark, flat, light or other"
        return refuse(sentence, as_json=as_json, code=BAD_USAGE)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_frame(file))
    if correct_to is not None:
        _correct(files, correct_to)
    if verdict is not None:
        _override(files, verdict)
    decided = _decided()
    found = [_inspected(file, path, *decided) for file in files]
    if not found:
        say(f"{path} has no frames (.fits, .fit, .fts, also .gz and .fz; .hdr): check the path")
    give(found, "\n".join(_line(item) for item in found), as_json=as_json)
    return DONE if found else FAILED


def _is_frame(file: Path) -> bool:
    return file.is_file() and (is_frame_name(file.name) or file.suffix.lower() == ".hdr")


def _correct(files: list[Path], kind: FrameKind) -> None:
    with open_observatory() as observatory:
        for file in files:
            observatory.batches.correct(checksum(file), kind, operator(), file.name)
            observatory.journal.record(operator(), "frame corrected", file.name, {"kind": kind})
    say(f"{len(files)} file(s) will be taken as {kind} from now on")


def _override(files: list[Path], verdict: Verdict) -> None:
    with open_observatory() as observatory:
        for file in files:
            observatory.front_desk.decide(checksum(file), verdict.is_used, operator(), file.name)
    say(f"{len(files)} file(s): {verdict}, from the next run of their batch on")


def _decided() -> tuple[dict[str, FrameKind], dict[str, bool]]:
    """Kinds and verdicts that operators gave, by checksum; for them a database that is not there is not made."""
    file = sqlite_file(database_url(settings_of(settings_file())))
    if file is not None and not file.exists():
        return {}, {}
    with open_observatory() as observatory:
        return observatory.batches.corrections(), observatory.batches.overrides()


def _inspected(file: Path, root: Path, corrections: dict[str, FrameKind], overrides: dict[str, bool]) -> dict[str, Any]:
    name = file.name if file == root else file.relative_to(root).as_posix()
    try:
        header = read_header(file)
        digest = checksum(file) if corrections or overrides else ""
    except ObservatoryError as error:
        return _row(name, "unsure", None, 0.0, str(error))
    corrected, is_used = corrections.get(digest), overrides.get(digest)
    facts = facts_of(header)
    found = recognise(file.name, header, facts)
    if corrected is not None:
        found = Recognition(corrected, "an operator said so", 1.0)
    row = _row(name, str(found.kind), found.subtype, round(found.confidence, 3), found.reason)
    binning = "{}x{}".format(*facts.binning) if facts.binning else None
    return row | {
        "exptime": facts.exposure_s,
        "filter": facts.filter,
        "binning": binning,
        "instrument": facts.instrument,
        "is_used": is_used,
    }


def _row(file: str, kind: str, subtype: str | None, confidence: float, reason: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("exptime", "filter", "binning", "instrument", "is_used"))
    return {"file": file, "kind": kind, "subtype": subtype, "confidence": confidence, "reason": reason, **nothing}


def _line(item: dict[str, Any]) -> str:
    kind = f"{item['kind']} ({item['subtype']})" if item["subtype"] else item["kind"]
    verdict = {True: " [an operator: use]", False: " [an operator: leave out]", None: ""}[item["is_used"]]
    return f"{kind:<22} {item['confidence']:.2f}  {item['file']}: {item['reason']}{verdict}"
