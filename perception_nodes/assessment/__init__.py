"""What becomes of the outputs of a run: read, scored against truth, compared, judged by gates, told as a page."""
