"""Duties that go on for hours: front desk, processor, alerts."""
