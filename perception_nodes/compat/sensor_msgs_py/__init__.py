"""Drop-in for `sensor_msgs_py`: PointCloud2 to and from numpy arrays."""
