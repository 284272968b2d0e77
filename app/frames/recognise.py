"""What a frame is for, judged from its header and its name, with the reason.

Headers lie: most cameras' programs write "Light Frame" unless told otherwise. So each piece of evidence votes with a
weight, and the vote says how sure it is. What the frame shows (bias, dark, flat, light, lamp, guide star) is decided
first; then whether it is still raw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePath

from astropy.io.fits import Header

from app.frames.dialects import TYPE_CARDS, TYPE_WORDS
from app.frames.headers import FITS_ENDINGS, TEXT_ENDING, lines, value
from app.model.frame import FrameFacts, FrameKind, Recognition

# Weights of the evidence. A type card that is not Light was set on purpose and outweighs all the rest together;
# Light is what programs write by default, so a name outweighs it, but not together with a named target.
_EXPLICIT = 8.0
_LIGHT_CARD = 2.0
_NAME = 4.0
_NAME_SAYS_LIGHT = 2.0
_OBJECT = 3.0
_FOLDER = 1.5
_SOLVED = 0.75
_TARGET = 0.5
_CIRCUMSTANCE = 0.25
#: Weight of what is not known, against which the best vote must hold its own.
_DOUBT = 1.0
_LIMIT = 0.5

#: A bias is as short as the camera can; anything longer is none.
_LONGEST_BIAS_S = 1.0


class _Subject(StrEnum):
    """What a frame shows."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    LIGHT = "light"
    ARC = "arc"
    GUIDE = "guide"


@dataclass(frozen=True, slots=True)
class _Vote:
    subject: _Subject
    weight: float
    evidence: str


def recognise(file_name: str, header: Header, facts: FrameFacts) -> Recognition:
    """Recognise what a frame is for.

    Parameters
    ----------
    file_name : str
        Name of the file, with or without folders; the last folder counts where the name says nothing.
    header : Header
        As `app.frames.headers.read_header` returns it.
    facts : FrameFacts
        As `app.frames.dialects.facts` returns them for this header.

    Returns
    -------
    Recognition
        UNSURE, with what there is and what is missing, when the evidence does not decide. OTHER for what is no raw
        bias, dark, flat or light: lamps, guide frames, masters, calibrated and derived images.
    """
    votes = list(_votes(file_name, header, facts))
    subject, confidence = _elected(votes)
    if subject in (_Subject.ARC, _Subject.GUIDE):
        return Recognition(FrameKind.OTHER, f"{_reason(votes, subject)}.", confidence, subject.value)
    processed = _processing(file_name, header, facts, subject)
    if processed is not None:
        return processed
    if subject is None:
        return Recognition(FrameKind.UNSURE, _why_unsure(votes, header), confidence)
    contradiction = _contradiction(subject, facts)
    if contradiction:
        reason = f"{_reason(votes, subject)}, but {contradiction}: set its kind by hand."
        return Recognition(FrameKind.UNSURE, reason, _LIMIT / 2)
    return Recognition(FrameKind(subject.value), f"{_reason(votes, subject)}.", confidence)


# --- words ------------------------------------------------------------------------------------------------------

_COMBINED = r"(master|super|stacked|combined)?"
#: Words in names, OBJECT and type cards.
_WORDS: tuple[tuple[_Subject, re.Pattern[str]], ...] = (
    (_Subject.DARK, re.compile(_COMBINED + r"(darks?(frames?|current)?|darkflats?|flatdarks?)")),
    (_Subject.BIAS, re.compile(_COMBINED + r"(bias(es)?|zeros?)(frames?)?")),
    (
        _Subject.FLAT,
        re.compile(
            _COMBINED
            + r"(norm|dome|sky|twi|twilight|lamp|led|panel|screen|sun|internal)?flats?(field(s|ing)?|frames?)?"
        ),
    ),
    (_Subject.LIGHT, re.compile(_COMBINED + r"lights?(frames?)?")),
    (_Subject.GUIDE, re.compile(r"(auto)?guide(r|cam|image|frame)?s?")),
    (_Subject.ARC, re.compile(r"arcs?|arclamps?|complamps?|neon|argon|krypton|xenon|thar|hgar|cuar|henear|hgarne")),
)
#: Words that say as much in a type card, but are ordinary words in a name.
_TYPE_WORDS: tuple[tuple[_Subject, re.Pattern[str]], ...] = (
    *_WORDS,
    (_Subject.BIAS, re.compile(r"offsets?")),
    (_Subject.FLAT, re.compile(r"twilight|dome|ff")),
    (_Subject.LIGHT, re.compile(r"obj|object|sci|science|target|expose|std|standard")),
    (_Subject.GUIDE, re.compile(r"guiding")),
    (_Subject.ARC, re.compile(r"comp|comparison|calamp|(lamp)?wave(cal)?|wavelength")),
)
#: Lamps by their elements, as people write them: HeAr, HgArNe, ThAr.
_ELEMENTS = re.compile(r"(?:He|Ne|Ar|Hg|Th|Cu|Fe|Kr|Xe|Cd){2,}")
_ELEMENT = re.compile(r"He|Ne|Ar|Hg|Cu|Fe|Kr|Xe")
#: After "dark" these make it a place, a night or a nebula.
_DARK_THINGS = frozenset(
    {"sky", "skies", "nebula", "cloud", "site", "shark", "matter", "energy", "star", "horse", "night"}
)
#: Words that name no target.
_NEUTRAL = frozenset({"frame", "frames", "field", "image", "sky", "dome", "lamp", "twilight", "test", "object", "raw"})
_MASTER = re.compile(r"masters?|(master|super)(bias|zero|dark|flat|light)s?|stack(ed)?|combined|coadd(ed)?")
_CALIBRATED = re.compile(r"calibrated|preprocessed|reduced|pp")


def _words(text: str) -> list[str]:
    """Words of a text in lower case; DarkBefore-001D120s is dark, before, d, s."""
    found = []
    for chunk in re.findall(r"[A-Za-z]+", text):
        is_lamp = _ELEMENTS.fullmatch(chunk)
        is_known = any(pattern.fullmatch(chunk.lower()) for _, pattern in _WORDS)
        parts = [chunk] if is_lamp or is_known else re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", chunk)
        found += ["arc"] if is_lamp else [part.lower() for part in parts]
    return found


def _subject_of(words: list[str], vocabulary: tuple[tuple[_Subject, re.Pattern[str]], ...] = _WORDS) -> _Subject | None:
    """The one subject that words speak of; dark and flat together are a dark for flats."""
    found: set[_Subject] = set()
    for word, after in pairwise([*words, ""]):
        spoken = {subject for subject, pattern in vocabulary if pattern.fullmatch(word)}
        found |= spoken - {_Subject.DARK} if after in _DARK_THINGS else spoken
    if found == {_Subject.DARK, _Subject.FLAT}:
        return _Subject.DARK
    return found.pop() if len(found) == 1 else None


def _only_subject(text: str) -> _Subject | None:
    """The subject of a text that names nothing else: 'FLAT 1', 'Sky_Flat R', but not 'Dark Shark'."""
    if _ELEMENT.fullmatch(text):
        return _Subject.ARC
    words = _words(text)
    others = [word for word in words if len(word) > 2 and word not in _NEUTRAL and _subject_of([word]) is None]
    return None if others else _subject_of(words)


def _stem(file_name: str) -> str:
    name = PurePath(file_name).name
    while name.lower().endswith((TEXT_ENDING, *FITS_ENDINGS)):
        name = name.rpartition(".")[0]
    return name


def _words_of_name(file_name: str, facts: FrameFacts) -> list[str]:
    """Words of a file's name without those of its target."""
    target = facts.object_name or ""
    of_target = set() if _only_subject(target) else set(_words(target))
    return [word for word in _words(_stem(file_name)) if word not in of_target]


# --- votes ------------------------------------------------------------------------------------------------------


def _votes(file_name: str, header: Header, facts: FrameFacts) -> Iterator[_Vote]:
    claims = list(_claims(header))
    chosen = next((claim for claim in claims if claim[0] is not _Subject.LIGHT), claims[0] if claims else None)
    if chosen:
        weight = _LIGHT_CARD if chosen[0] is _Subject.LIGHT else _EXPLICIT
        yield _Vote(chosen[0], weight, chosen[1])
    named = _subject_of(_words_of_name(file_name, facts))
    folder = _only_subject(PurePath(file_name).parent.name)
    if named:
        weight = _NAME_SAYS_LIGHT if named is _Subject.LIGHT else _NAME
        yield _Vote(named, weight, f"the file name says {named}")
    elif folder:
        yield _Vote(folder, _FOLDER, f"the folder is named for {folder}")
    camera = facts.instrument or ""
    if re.search(
        r"\b(auto)?guid(er?|ing)\b|\bphd2?\b", f"{camera} {value(header, 'SWCREATE', 'CREATOR')}", re.IGNORECASE
    ):
        yield _Vote(_Subject.GUIDE, _EXPLICIT, f"{camera or 'the program'} is for guiding")
    yield from _votes_by_sky(header, facts)


def _claims(header: Header) -> Iterator[tuple[_Subject, str]]:
    """What the type cards say that can be understood."""
    for card in TYPE_CARDS:
        text = str(value(header, card) or "")
        subject = _subject_of(_words(TYPE_WORDS.get((card, text), text)), _TYPE_WORDS)
        if subject:
            yield subject, f"{card} says {text!r}"


def _votes_by_sky(header: Header, facts: FrameFacts) -> Iterator[_Vote]:
    """Target, position, filter and exposure: together they make a light, each alone proves little."""
    target = facts.object_name or ""
    shown = _only_subject(target)
    if shown:
        yield _Vote(shown, _OBJECT, f"OBJECT says {target!r}")
    if not facts.exposure_s:
        return
    if not shown and [word for word in _words(target) if word not in _NEUTRAL]:
        yield _Vote(_Subject.LIGHT, _TARGET, f"its target is {target}")
    if str(value(header, "CTYPE1") or "").startswith("RA--") and value(header, "CD1_1", "CDELT1") is not None:
        yield _Vote(_Subject.LIGHT, _SOLVED, "it has a WCS")
    if facts.ra_deg is not None:
        yield _Vote(_Subject.LIGHT, _CIRCUMSTANCE, "it has a position")
    if facts.filter:
        yield _Vote(_Subject.LIGHT, _CIRCUMSTANCE, f"filter {facts.filter}")
    yield _Vote(_Subject.LIGHT, _CIRCUMSTANCE, f"it was exposed for {facts.exposure_s:g} s")


def _elected(votes: list[_Vote]) -> tuple[_Subject | None, float]:
    """The subject with the most weight and its share of all, doubt included; no subject below the limit."""
    total = sum(vote.weight for vote in votes) + _DOUBT
    shares = {subject: sum(vote.weight for vote in votes if vote.subject is subject) / total for subject in _Subject}
    best = max(shares, key=lambda subject: shares[subject])
    share = round(shares[best], 2)
    return (best, share) if share >= _LIMIT else (None, share)


def _contradiction(subject: _Subject, facts: FrameFacts) -> str | None:
    if subject is _Subject.BIAS and (facts.exposure_s or 0.0) > _LONGEST_BIAS_S:
        return f"a bias is no longer than {_LONGEST_BIAS_S:g} s and this is {facts.exposure_s:g} s"
    if subject is _Subject.LIGHT and facts.exposure_s == 0.0:
        return "the exposure is 0 s"
    return None


# --- still raw? -------------------------------------------------------------------------------------------------

_COUNT_CARDS = ("NCOMBINE", "STACKCNT", "NUMFRAME", "SNAPSHOT", "NCOMB")
_COMBINED_CARDS = ("ISMASTER", "COMBINED", "IMCMB001", "COMBINET")
_COMBINED_LINE = re.compile(
    r"imcombine|imageintegration|integration with pixinsight|\bstacking\b|\bstacked\b|master frame", re.IGNORECASE
)
_PRODUCT_CARDS = ("ESO PRO CATG", "PRODCATG")
_PROGRAM_CARDS = ("ORIGIN", "SOFTWARE", "PROGRAM", "CREATOR", "SWCREATE", "SWMODIFY")
#: Programs that compute and do not drive cameras.
_COMPUTES = re.compile(
    r"iraf|midas|siril|pixinsight|astro ?pixel|deepskystacker|swarp|astroimagej|cupola", re.IGNORECASE
)


def _processing(file_name: str, header: Header, facts: FrameFacts, subject: _Subject | None) -> Recognition | None:
    """Recognition of a frame that is not raw any more; None for a raw one."""
    shows = f", it shows a {subject}" if subject else ""
    combined = _sign_of_combination(file_name, header, facts)
    if combined:
        subtype = f"master_{subject}" if subject else "derived"
        return Recognition(FrameKind.OTHER, f"Combined from several frames: {combined}{shows}.", 0.9, subtype)
    product = value(header, *_PRODUCT_CARDS)
    if product is not None:
        return Recognition(FrameKind.OTHER, f"Derived: it is the pipeline product {product}.", 0.9, "derived")
    calibrated = _sign_of_calibration(file_name, header, facts) if subject is _Subject.LIGHT else None
    if calibrated:
        return Recognition(FrameKind.OTHER, f"A calibrated light: {calibrated}.", 0.9, "calibrated")
    computed = _sign_of_computation(header, facts)
    if computed:
        return Recognition(FrameKind.OTHER, f"Derived, not as a camera writes it: {computed}{shows}.", 0.8, "derived")
    return None


def _sign_of_combination(file_name: str, header: Header, facts: FrameFacts) -> str | None:
    said = _type_card_with(header, _MASTER)
    if said:
        return said
    for card in _COUNT_CARDS:
        count = value(header, card)
        if isinstance(count, int | float) and count > 1:
            return f"{card} is {count:g}"
    for card in _COMBINED_CARDS:
        if value(header, card) not in (None, False, 0, "F"):
            return f"it has a card {card}"
    if any(_MASTER.fullmatch(word) for word in _words_of_name(file_name, facts)):
        return "the file name says so"
    line = next(filter(_COMBINED_LINE.search, lines(header, "HISTORY", "COMMENT")), None)
    return None if line is None else f"its history says {line.strip()[:50]!r}"


def _sign_of_computation(header: Header, facts: FrameFacts) -> str | None:
    bits = value(header, "BITPIX")
    if not isinstance(bits, int | float) or bits > 0:
        return None
    written = [str(value(header, card)) for card in _PROGRAM_CARDS] + lines(header, "HISTORY", "COMMENT")
    program = next(filter(None, map(_COMPUTES.search, written)), None)
    if program:
        return f"floating-point values written by {program[0]}"
    if facts.exposure_s is None and facts.started_at is None and facts.instrument is None:
        return "floating-point values without exposure, date or camera"
    return None


def _sign_of_calibration(file_name: str, header: Header, facts: FrameFacts) -> str | None:
    if "flat" in facts.calibrated_for:
        return f"the header says it is corrected for {', '.join(sorted(facts.calibrated_for))}"
    level = value(header, "RLEVEL")
    if isinstance(level, int | float) and level > 0:
        return f"its reduction level is {level:g}"
    if any(_CALIBRATED.fullmatch(word) for word in _words_of_name(file_name, facts)):
        return "the file name says so"
    return _type_card_with(header, _CALIBRATED)


def _type_card_with(header: Header, pattern: re.Pattern[str]) -> str | None:
    for card in TYPE_CARDS:
        text = str(value(header, card) or "")
        if any(pattern.fullmatch(word) for word in _words(text)):
            return f"{card} says {text!r}"
    return None


# --- reasons ----------------------------------------------------------------------------------------------------


def _reason(votes: list[_Vote], subject: _Subject) -> str:
    supporting = sorted((vote for vote in votes if vote.subject is subject), key=lambda vote: -vote.weight)
    opposing = [vote.evidence for vote in votes if vote.subject is not subject and vote.weight > _TARGET]
    text = _listed([vote.evidence for vote in supporting])
    return f"{subject.capitalize()}: {text}" + (f", although {_listed(opposing)}" if opposing else "")


def _why_unsure(votes: list[_Vote], header: Header) -> str:
    card = next((card for card in TYPE_CARDS if value(header, card) is not None), None)
    unknown = (
        f"{card} says {value(header, card)!r}, which names no kind" if card and not list(_claims(header)) else None
    )
    found = [f"{vote.evidence} (for {vote.subject})" for vote in votes]
    if unknown:
        found.insert(0, unknown)
    if not found:
        return "Neither a type card, nor the name, nor the circumstances say what this is: set its kind by hand."
    return f"The evidence does not decide, {_listed(found)}: set its kind by hand."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
