"""Answers of other threads arrive in the thread of the controller: results, refusals, bugs."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from PySide6.QtCore import QObject

from app.controllers.answers import Answers, ProgramFault
from app.model.errors import StoreError


@pytest.fixture
def heard():
    return []


@pytest.fixture
def answers(qapp):
    parent = QObject()
    yield Answers(parent)
    parent.deleteLater()


def test_result_of_another_thread_arrives_in_this_one(qtbot, answers, heard):
    with ThreadPoolExecutor(1) as lane:
        answers.expect(lane.submit(threading.get_ident), lambda there: heard.append((there, threading.get_ident())), [])
        qtbot.waitUntil(lambda: bool(heard))
    ((there, here),) = heard
    assert here == threading.get_ident() != there


def test_refusal_is_handed_on_as_it_is(answers, heard):
    future, locked = Future(), StoreError("the database is locked")
    answers.expect(future, heard.append, heard.append)
    future.set_exception(locked)
    assert heard == [locked]


def test_bug_of_every_look_is_logged_once_and_told_each_time(answers, heard, caplog):
    for _ in range(3):
        future = Future()
        answers.expect(future, heard.append, heard.append)
        future.set_exception(ZeroDivisionError("division by zero"))
    assert [type(error) for error in heard] == [ProgramFault] * 3
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_nobody_hears_of_what_was_dropped_at_the_end(answers, heard):
    future = Future()
    answers.expect(future, heard.append, heard.append)
    assert future.cancel()
    assert heard == []
