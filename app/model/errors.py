"""The one family of expected errors.

Every message names the subject, the value, the limit and the remedy, in one sentence that an operator can act on.
An exception outside of this family is a bug: it is logged whole and stops the work.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


class ObservatoryError(Exception):
    """An expected failure; its text is the sentence which the operator reads."""


class FrameError(ObservatoryError):
    """A file that cannot be read, or is not what it says it is."""


class CalibrationError(ObservatoryError):
    """A step of the calibration cannot be done with the frames at hand."""


class StoreError(ObservatoryError):
    """The database cannot be opened, read or written."""


class UnknownBatch(ObservatoryError):
    """No batch of that name or source is known."""


class Cancelled(Exception):
    """The operator stopped the work; neither a failure nor an `ObservatoryError`."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of an order or of the settings.

    Attributes
    ----------
    field : str
        Dotted name of the field, such as ``"dec"`` or ``"mail.port"``.
    value : str
        What was given, as text.
    remedy : str
        The limit and what to do, such as ``"must be -90 to 90 degrees"``.
    """

    field: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field} = {self.value}: {self.remedy}"


class Refused(ObservatoryError):
    """Input that is refused whole, with all of its problems at once.

    Attributes
    ----------
    problems : tuple of FieldProblem
        Every problem found, never only the first.
    """

    def __init__(self, subject: str, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__(f"{subject}: " + "; ".join(str(problem) for problem in problems))
        self.problems = problems

    @property
    def as_json(self) -> list[dict[str, str]]:
        """The problems as JSON: field, value and remedy of each."""
        return [asdict(problem) for problem in self.problems]


class OrderRefused(Refused):
    """A work order that is not taken."""


class SettingsRefused(Refused):
    """Settings that cannot be used."""


class OutputError(ObservatoryError):
    """A product cannot be written: the disk is full, read-only or gone."""


class ClusterError(ObservatoryError):
    """The workers of a cluster are not there, are lost, or cannot do the batch."""
