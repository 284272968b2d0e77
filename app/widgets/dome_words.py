"""What is known of the dome, in words: under the dial, and for those who do not see it."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.angles import wrapped_deg
from app.model.dome import ClosedBy, DomeFacts, DomeState, ShutterState, ShutterWord
from app.model.following import Follower, FollowState
from app.model.reading import Freshness, Reading
from app.model.strip import Severity
from app.model.surroundings import MountSample
from app.model.wording import DASHES, age_text, azimuth_text, duration_text, turn_text

_PROOFS = {ClosedBy.DRIVER: "driver's word", ClosedBy.MOTION: "proven by motion", ClosedBy.SWITCH: "proven by switch"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to be seen at one moment.

    Attributes
    ----------
    now_s : float
        Monotonic, for ages.
    eta_s : float or None
        Until the turn that is left is done.
    rate_deg_s : float or None
        How fast the dome was seen to turn, clockwise positive: a turn that nobody here commanded has a direction too.
    """

    state: DomeState
    mount: Reading[MountSample]
    now_s: float
    eta_s: float | None = None
    rate_deg_s: float | None = None

    @property
    def freshness(self) -> Freshness:
        """How the whole may be taken: as its azimuth; where there is none, as its shutter; else as its motion."""
        state = self.state
        for reading in (state.azimuth_deg, state.shutter, state.is_slewing):
            if reading.read_s is not None:
                return reading.freshness(self.now_s, state.fresh_s)
        return Freshness.NEVER

    @property
    def is_roof(self) -> bool:
        """Whether it neither turns nor tells an azimuth."""
        facts = self.state.facts
        return facts is not None and not facts.can_set_azimuth and self.state.azimuth_deg.value is None

    @property
    def has_fresh_mount(self) -> bool:
        """Whether the telescope's place is known now."""
        return self.mount.freshness(self.now_s, self.state.fresh_s) is Freshness.FRESH

    @property
    def beam_deg(self) -> float | None:
        """Where on the dome the beam leaves it: by the geometry of the slaving when it is known, else as if centred."""
        azimuth, following = self.state.azimuth_deg.value, self.state.following
        if azimuth is not None and following.beam_deg is not None:
            return wrapped_deg(azimuth + following.beam_deg)
        return None if self.mount.value is None else self.mount.value.azimuth_deg


def turn_words(sight: Sight) -> str:
    """What the rotation does: ``CW 34.0°, 12 s``, ``moving CW``, ``still``; dashes when that is not known."""
    state, rate = sight.state, sight.rate_deg_s
    if state.is_moving(sight.now_s) is None:
        return DASHES
    if state.target_deg is not None:
        return turn_text(state.remaining_deg(), sight.eta_s)
    if not state.is_slewing.value:
        return "still"
    if rate is not None:
        return "moving CW" if rate > 0.0 else "moving CCW"
    return "shutter moves" if state.shutter.value in (ShutterState.OPENING, ShutterState.CLOSING) else "moving"


def shutter_words(sight: Sight) -> tuple[str, str]:
    """The word for the shutter, and whose word it is."""
    state = sight.state
    if state.facts is not None and not state.facts.can_set_shutter and state.shutter.value is None:
        return "no shutter", "the dome says that it has none"
    word = state.shutter_word(sight.now_s)
    if word is ShutterWord.UNKNOWN:
        was = state.shutter.value
        never = "never read" if state.shutter.read_s is None else "the driver does not tell"
        return word.value, never if was is None else f"was {was.value}"
    if word in (ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED) and state.closed_by is not None:
        return word.value, _PROOFS[state.closed_by]
    if word is ShutterWord.NOT_CLOSED:
        is_error = state.shutter.value is ShutterState.ERROR
        return word.value, "driver reports an error" if is_error else "its contact says open"
    return word.value, "driver's word"


def follow_words(following: FollowState) -> tuple[str, str, Severity]:
    """Who slaves, how that fares, and how much it wants the operator."""
    who = f"follows: {following.who.value}"
    if following.is_dropped:
        return "follow DROPPED", following.reason, Severity.ALARM
    if following.who is Follower.NOBODY:
        return "follow: off", following.reason, Severity.NORMAL
    if following.is_suspended:
        return f"{who}, suspended", following.reason, Severity.ATTENTION
    margin = following.margin_deg
    if margin is None:
        return who, following.reason, Severity.NORMAL
    if margin < 0.0:
        return f"CLIPPED by {-margin:.1f}°", who, Severity.ALARM
    ahead = "no clip ahead" if following.clip_s is None else f"clips in {duration_text(following.clip_s)}"
    return who, f"margin {margin:.1f}°, {ahead}", Severity.NORMAL


def absent_parts(facts: DomeFacts) -> str:
    """What this dome has not, in one sentence; empty when it has everything."""
    parts = {
        "way to turn": facts.can_set_azimuth,
        "home sensor": facts.can_find_home,
        "park position": facts.can_park,
        "shutter": facts.can_set_shutter,
    }
    missing = [part for part, is_there in parts.items() if not is_there]
    if not missing:
        return ""
    listed = " and ".join(filter(None, (", ".join(f"no {part}" for part in missing[:-1]), f"no {missing[-1]}")))
    only = ": it opens and closes only" if missing[0] == "way to turn" and facts.can_set_shutter else ""
    return f"By its driver it has {listed}{only}"


def sight_words(sight: Sight) -> str:
    """Everything that the dial shows."""
    if sight.freshness is Freshness.NEVER:
        return "The dome was never read"
    state, mount = sight.state, sight.mount.value
    word, whose = shutter_words(sight)
    words = [f"shutter {word}, {whose}"]
    if sight.is_roof:
        words.append(f"read {age_text(state.shutter.age_s(sight.now_s))} ago")
    else:
        words.insert(0, f"Azimuth {azimuth_text(state.azimuth_deg.value)}, {turn_words(sight)}")
        words.append(f"read {age_text(state.azimuth_deg.age_s(sight.now_s))} ago")
    if mount is not None and mount.azimuth_deg is not None:
        words.append(f"telescope {azimuth_text(mount.azimuth_deg)}")
    words.append(", ".join(filter(None, follow_words(state.following)[:2])))
    if sight.freshness is Freshness.STALE:
        words.insert(0, "STALE")
    return "; ".join(words)
