"""The first street: two roads that cross. Gives way to the packages beside it."""
