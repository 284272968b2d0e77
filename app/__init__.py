"""Cupola: the control panel of a robotic observatory."""

__version__ = "0.1.0"
