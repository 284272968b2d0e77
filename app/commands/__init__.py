"""Start-up: one module for each command."""
