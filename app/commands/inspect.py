"""`cupola inspect`: how frames are recognised, and an operator's correction of it."""

from __future__ import annotations

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


def run(path: Path, correct_to: FrameKind | None, *, as_json: bool) -> int:
    """Say how each frame is recognised; with `correct_to`, remember that the operator knows better."""
    path = path.expanduser()
    if not path.exists():
        return refuse(f"{path} does not exist: check the path", as_json=as_json, code=BAD_USAGE)
    if correct_to is FrameKind.UNSURE:
        sentence = "--as unsure says nothing: take bias, dark, flat, light or other"
        return refuse(sentence, as_json=as_json, code=BAD_USAGE)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_frame(file))
    if correct_to is not None:
        _correct(files, correct_to)
    corrections = _corrections()
    found = [_inspected(file, path, corrections) for file in files]
    if not found:
        say(f"{path} has no frames (.fits, .fit, .fts, also .gz and .fz; .hdr): check the path")
    give(found, "\n".join(_line(item) for item in found), as_json=as_json)
    return DONE if found else FAILED


def _is_frame(file: Path) -> bool:
    return file.is_file() and (is_frame_name(file.name) or file.suffix.lower() == ".hdr")


def _correct(files: list[Path], kind: FrameKind) -> None:
    with open_observatory() as observatory:
        for file in files:
            observatory.batches.correct(checksum(file), kind, operator())
            observatory.journal.record(operator(), "frame corrected", file.name, {"kind": kind})
    say(f"{len(files)} file(s) will be taken as {kind} from now on")


def _corrections() -> dict[str, FrameKind]:
    """Kinds that operators gave, by checksum; for them a database that is not there is not made."""
    file = sqlite_file(database_url(settings_of(settings_file())))
    if file is not None and not file.exists():
        return {}
    with open_observatory() as observatory:
        return observatory.batches.corrections()


def _inspected(file: Path, root: Path, corrections: dict[str, FrameKind]) -> dict[str, Any]:
    name = file.name if file == root else file.relative_to(root).as_posix()
    try:
        header = read_header(file)
        corrected = corrections.get(checksum(file)) if corrections else None
    except ObservatoryError as error:
        return _row(name, "unsure", None, 0.0, str(error))
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
    }


def _row(file: str, kind: str, subtype: str | None, confidence: float, reason: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("exptime", "filter", "binning", "instrument"))
    return {"file": file, "kind": kind, "subtype": subtype, "confidence": confidence, "reason": reason, **nothing}


def _line(item: dict[str, Any]) -> str:
    kind = f"{item['kind']} ({item['subtype']})" if item["subtype"] else item["kind"]
    return f"{kind:<22} {item['confidence']:.2f}  {item['file']}: {item['reason']}"
