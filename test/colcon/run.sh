#!/usr/bin/env bash
# Builds the working tree with colcon over the ROS wheels, plainly and with --symlink-install, and a C++ package
# against it; C++ writes a message that Python reads. Everything lies in build/colcon-bench.
#   test/colcon/run.sh [PYTHON]        PERCEPTION_ROS_DISTRO=jazzy for Jazzy
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
distro=${PERCEPTION_ROS_DISTRO:-kilted}
bench=$root/build/colcon-bench/$distro
venv=$bench/venv
if [ ! -e "$venv/.complete" ]; then
  echo "Installing colcon and the wheels of $distro into $venv"
  "${1:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet -r test/colcon/requirements.txt -r requirements/build.txt \
    -r "requirements/$distro.txt" -r requirements/runtime.txt
  touch "$venv/.complete"
fi

# The three lines that stand for the setup.bash of a ROS installation.
PATH=$venv/bin:$PATH AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
export PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
unset PYTHONPATH

for kind in plain symlink; do
  workspace=$bench/$kind
  rm -rf "$workspace"
  mkdir -p "$workspace/src/perception_nodes" "$workspace/src/consumer_cpp"
  git ls-files --cached --others --exclude-standard -z |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar -c --null -T - | tar -x -C "$workspace/src/perception_nodes"
  cp -r test/colcon/consumer_cpp/. "$workspace/src/consumer_cpp"
  cp docs/examples/subscriber.cpp "$workspace/src/consumer_cpp/src"
  cd "$workspace"
  test "$(colcon list --names-only | sort | xargs)" = "consumer_cpp perception_nodes"
  option=
  if [ $kind = symlink ]; then option=--symlink-install; fi
  # shellcheck disable=SC2086
  colcon build $option --cmake-args -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE="$venv/bin/python" \
    -DCMAKE_PROJECT_INCLUDE="$PWD/src/perception_nodes/cmake/relocate_python_includes.cmake"
  (
    set +u
    . install/setup.sh
    LD_LIBRARY_PATH=$venv/lib:${LD_LIBRARY_PATH:-} install/consumer_cpp/lib/consumer_cpp/write_objects objects.cdr
    python "$root/test/colcon/read_objects.py" objects.cdr
    perception --help >/dev/null
    python - <<'PYTHON'
import os
import perception_nodes
from perception_nodes.resources import resource_path

here = os.getcwd()
assert perception_nodes.__file__.startswith(here), perception_nodes.__file__
assert resource_path("config/rigs/pandaset.yaml").is_file()
PYTHON
    for node in $(sed -n '/^nodes *=/,$p' "$root/setup.cfg" | tail -n +2); do
      test -x "install/perception_nodes/lib/perception_nodes/$node" || { echo "no executable $node"; exit 1; }
    done
  )
  cd "$root"
  echo "colcon build ($kind, $distro): C++ wrote, Python read"
done
