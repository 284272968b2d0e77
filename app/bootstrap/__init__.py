"""Builds what is on duty from the settings, and starts children of our own; knows no Qt."""
