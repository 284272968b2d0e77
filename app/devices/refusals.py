"""Error numbers of ASCOM, over Alpaca and over COM, as one family of errors."""

from __future__ import annotations

from app.model.dome import DeviceBusy, DeviceNotSupported, DeviceRefused

_NOT_IMPLEMENTED = 0x400
_NOT_CONNECTED = 0x407
#: A driver's own number for "not while I move", seen on real domes.
_BUSY = 0x7DA
#: What COM puts before ASCOM's numbers, and some servers pass on.
_COM_FACILITY = 0x80040


class DeviceNotConnected(DeviceRefused):
    """The server runs, but has not connected the device, or not any more (0x407): it may have begun anew."""


def refusal(what: str, number: int, message: str) -> DeviceRefused:
    """The error for a number other than 0.

    Parameters
    ----------
    what : str
        Device and member, as the subject of the sentence.
    number : int
        Of Alpaca, or a COM HRESULT.
    message : str
        The driver's own words.
    """
    number &= 0xFFFFFFFF
    known = number & 0xFFF if number >> 12 == _COM_FACILITY else number
    if known == _NOT_IMPLEMENTED:
        return DeviceNotSupported(f"{what}: the device has no such part ({message})")
    if known == _NOT_CONNECTED:
        return DeviceNotConnected(f"{what}: refused with error 0x407 ({message}); its server must connect the device")
    if known == _BUSY or "busy" in message.lower():
        return DeviceBusy(f"{what}: the device is busy, error 0x{known:X} ({message}); wait until it stands, or STOP")
    return DeviceRefused(f"{what}: refused with error 0x{number:X} ({message}); see what its driver says")
