# Inject with -DCMAKE_PROJECT_INCLUDE=<this file> to build ROS packages over the wheels.
#
# Targets of Python message code carry absolute include directories of Python and numpy. Those
# that the wheels export name the machine that built the wheels; those of the package at hand name
# this build's environment, which may be gone tomorrow or lie inside the source folder, which CMake
# refuses to export. When the top directory has been processed, the first kind is pointed at the
# Python in use, and the second kind is kept for this build only.
# Imported directories that exist, as in a real ROS installation, are left alone.
if(NOT COMMAND _relocate_python_includes)
  function(_relocate_python_includes)
    get_property(targets DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
    foreach(target IN LISTS targets)
      if(NOT target MATCHES "__rosidl_generator_py$")
        continue()
      endif()
      get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
      foreach(directory IN LISTS directories)
        if(NOT directory MATCHES "^\\$<" AND NOT EXISTS "${directory}")
          set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES
            ${Python3_INCLUDE_DIRS} ${Python3_NumPy_INCLUDE_DIRS})
          break()
        endif()
      endforeach()
    endforeach()

    set(own ${PROJECT_NAME}__rosidl_generator_py)
    if(TARGET ${own})
      get_target_property(directories ${own} INTERFACE_INCLUDE_DIRECTORIES)
      if(directories)
        list(TRANSFORM directories REPLACE "^([^$].*)$" "$<BUILD_INTERFACE:\\1>")
        set_property(TARGET ${own} PROPERTY INTERFACE_INCLUDE_DIRECTORIES ${directories})
      endif()
    endif()
  endfunction()
  cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _relocate_python_includes)
endif()
