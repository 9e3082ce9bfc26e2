"""The `perception` command: one file a sub-command, no logic."""
