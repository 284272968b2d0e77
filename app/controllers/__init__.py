"""Qt without paint: objects that ask services and emit values."""
