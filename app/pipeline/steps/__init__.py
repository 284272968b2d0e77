"""One file for each step of a night's calibration; they run in the order of their codes."""
