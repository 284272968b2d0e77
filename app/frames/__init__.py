"""Reading, writing and recognising frames; the star catalogue."""
