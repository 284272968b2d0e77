"""Commands in words: what is asked, how far it is, and why it cannot be asked now."""

from __future__ import annotations

from app.model.dome import DomeFacts, DomeState, DomeWish, Move, Phase, WishKind
from app.model.interlocks import unmet
from app.model.reading import Freshness
from app.model.strip import Severity
from app.model.wording import age_text, azimuth_text, duration_text, latency_text


def wish_text(wish: DomeWish) -> str:
    """``GO TO 171.0°``, ``RAISE TO 45.0°``, ``OPEN``."""
    where = wish.altitude_deg if wish.kind is WishKind.ALTITUDE else wish.azimuth_deg
    text = wish.kind.value.upper()
    return text if where is None else f"{text} {azimuth_text(where)}"


def not_owner_text(owner: str) -> str:
    """Why everything but CLOSE is refused in a window that does not own the dome, and who does."""
    return f"Commanded by {owner or 'another program'}: this window watches and closes; take over to do more"


def move_text(move: Move, took_s: float | None = None) -> tuple[str, Severity]:
    """One sentence for how far a command is, and how much it wants the operator."""
    name, why = wish_text(move.wish), f": {move.reason}" if move.reason else ""
    match move.phase:
        case Phase.FAILED:
            return f"{name} FAILED{why}", Severity.ALARM
        case Phase.STOPPED | Phase.REPLACED:
            return f"{name}: {move.phase.value}{why}", Severity.ATTENTION
        case Phase.ARRIVED:
            end = {WishKind.OPEN: "open", WishKind.CLOSE: "closed"}.get(move.wish.kind, "arrived")
            took = "" if took_s is None else f" in {duration_text(took_s)}"
            return f"{name}: {end}{took}{why}", Severity.ATTENTION if move.reason else Severity.NORMAL
        case Phase.SENT | Phase.ACCEPTED | Phase.MOVING:
            return f"{name}: {_under_way(move)}{why}", Severity.ATTENTION if move.reason else Severity.NORMAL


def _under_way(move: Move) -> str:
    """``sent``, ``accepted in 12 ms``, ``moving, accepted in 12 ms``."""
    if move.answered_s is None:
        return move.phase.value
    accepted = f"{Phase.ACCEPTED.value} in {latency_text(move.answered_s)}"
    return accepted if move.phase is Phase.ACCEPTED else f"{move.phase.value}, {accepted}"


def motion_refusal(state: DomeState, now_s: float) -> str | None:
    """Why nothing but CLOSE can be asked now: of the age of what is known, the owner, or what nobody may override."""
    match state.is_slewing.freshness(now_s, state.fresh_s):
        case Freshness.NEVER:
            return "The dome was never read: connect one in Settings (Ctrl+6)"
        case Freshness.STALE:
            age = age_text(state.is_slewing.age_s(now_s))
            return f"The dome has not answered for {age}: it is asked again all the time; see Log"
    if not state.is_owner:
        return not_owner_text(state.owner)
    firm = [one.sentence for one in unmet(state.interlocks) if not one.may_be_overridden]
    return "; ".join(firm) if firm else None


def can(facts: DomeFacts, kind: WishKind) -> bool:
    """Whether a dome has the part that a wish needs."""
    match kind:
        case WishKind.GOTO:
            return facts.can_set_azimuth
        case WishKind.OPEN | WishKind.CLOSE:
            return facts.can_set_shutter
        case WishKind.PARK:
            return facts.can_park
        case WishKind.HOME:
            return facts.can_find_home
        case WishKind.ALTITUDE:
            return facts.can_set_altitude
