"""Detectors: `lidar.GeometricLidarDetector` and `camera.YoloxDetector` (import the module that is needed)."""
