"""Benchmarks: paired, within one run, against what users would run today; each module is one benchmark."""
