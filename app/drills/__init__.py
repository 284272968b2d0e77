"""Drills: faults on a simulator of our own, with the real services, the real guard, the real window."""
