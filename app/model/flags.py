"""Bits of the DQ plane of products, and of the QCFLAG card."""

from __future__ import annotations

from enum import IntFlag


class Dq(IntFlag):
    """Why a pixel is not to be trusted; 0 is good. One byte a pixel, in the extension DQ of a product."""

    BAD = 1  # hot, cold or unstable, by the darks and flats
    NO_FLAT = 2  # the flat is under its floor or not finite
    SATURATED = 4
    COSMIC = 8
    DEAD = 16  # of an amplifier that does not work
    NO_DATA = 32  # not a number in the raw frame, or outside of every frame of a stack
    REJECTED = 64  # in a stack: most values were rejected


class Qc(IntFlag):
    """What is doubtful about a light, in QCFLAG; 0 is nothing."""

    FEW_STARS = 1
    WIDE_STARS = 2
    ELONGATED_STARS = 4
    FAINT = 8
    SATURATED = 16
    OUT_OF_FOCUS = 32
    UNSOLVED = 64
    UNCALIBRATED = 128
    LIBRARY_MASTER = 256
    BY_OPERATOR = 512
