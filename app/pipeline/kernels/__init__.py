"""The arithmetic over bands of rows, compiled; none knows files or batches, and no result depends on the cut."""
