"""What sensors measure of a scene."""
