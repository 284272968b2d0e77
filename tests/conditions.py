"""Conditions of the dome's motions for tests: what the test says, and what the guard was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.model.dome import Override, WishKind
from app.model.interlocks import Interlock
from app.model.reading import NEVER_READ, Reading
from app.model.settings import Enclosure


@dataclass(slots=True)
class FixedConditions:
    """Conditions that are as the test wants them; without any, every wish is passed on."""

    interlocks: dict[WishKind, Sequence[Interlock]] = field(default_factory=dict)
    enclosure: Enclosure = field(default_factory=lambda: Enclosure(can_hit_mount=False))
    closed_contact: Reading[bool] = NEVER_READ
    told: list[tuple[object, ...]] = field(default_factory=list)

    def of(self, kind: WishKind) -> tuple[Interlock, ...]:
        """Those of the test."""
        return tuple(self.interlocks.get(kind, ()))

    def opening(self, who: str) -> None:
        """Keep it."""
        self.told.append(("opening", who))

    def override(self, override: Override, covers: tuple[str, ...]) -> None:
        """Keep it."""
        self.told.append(("override", override, covers))

    def end_override(self, who: str) -> None:
        """Keep it."""
        self.told.append(("override ended", who))

    def stopped(self, who: str) -> None:
        """Keep it."""
        self.told.append(("stopped", who))
