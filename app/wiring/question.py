"""The question before the end."""

from __future__ import annotations

from app.controllers.quitting import QuitController
from app.widgets.quit_question import QuitQuestion


def connect_question(question: QuitQuestion, quitting: QuitController) -> None:
    """Connect what is asked about the dome, and the answers."""
    quitting.asked.connect(question.ask)
    quitting.closing.connect(question.show_closing)
    quitting.failed.connect(question.show_failure)
    quitting.answered.connect(question.hide)
    question.close_chosen.connect(quitting.close_first)
    question.leave_chosen.connect(quitting.leave)
    question.stay_chosen.connect(quitting.stay)
