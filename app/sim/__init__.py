"""Simulated devices and skies."""
