"""Photons: calibration steps and the machinery that runs them. No Qt, no SQL."""
