"""Training of detectors: `lidar.train_lidar` is the whole of it, in order. Needs the extra `[train]` (torch)."""
