"""Thin rclpy nodes over the ROS-free stages, one file each."""

import os

# Imported before numpy in every node process. With ten processes on a few cores, BLAS threads only get in each
# other's way: a 120 k x 3 product took 60 ms instead of 1 ms.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
