"""One line of the running order: what is done now, or comes next, and why it is not done yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An order or a batch as the night's running order shows it.

    Attributes
    ----------
    name : str
        What people call it, such as the target.
    what : str
        What is done, such as ``"R, 30 x 120 s"``.
    state : str
        One word.
    why : str
        Why not now, or what it does at present; empty when there is nothing to say.
    progress : tuple of int or None
        Done and total; None when it is not counted.
    key : str
        By which the page of orders finds it.
    """

    name: str
    what: str
    state: str
    why: str = ""
    progress: tuple[int, int] | None = None
    key: str = ""
