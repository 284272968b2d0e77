"""The dead man's guard: a small process of its own that closes the dome when no one else does."""
