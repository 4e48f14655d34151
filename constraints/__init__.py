"""A folder a board or part. A package, so that what a command reads of it is found wherever Makalu is installed."""
