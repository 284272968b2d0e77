"""One function for each page: every connection between controllers and widgets, and nothing else."""
