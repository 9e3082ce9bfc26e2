"""Timed as in service: without the field checks that the tests ask for."""

import os

os.environ.pop("ROS_PYTHON_CHECK_FIELDS", None)
