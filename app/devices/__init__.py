"""Devices on the wire: the only room that speaks Alpaca."""
