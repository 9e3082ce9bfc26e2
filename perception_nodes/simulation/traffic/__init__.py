"""Who drives, walks and stands in a street, and where at each time."""
