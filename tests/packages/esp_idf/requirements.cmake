# The first of the two steps: cmake -DCOMPONENT=… -P requirements.cmake
cmake_minimum_required(VERSION 3.16)
set(ESP_PLATFORM 1)
set(CMAKE_BUILD_EARLY_EXPANSION 1)
macro(idf_component_register)
  set(is_registered 1)
  return() # from the component's file, of which the rest cannot be run as a script
endmacro()
include("${COMPONENT}/CMakeLists.txt")
if(NOT is_registered)
  message(FATAL_ERROR "the component was not registered")
endif()
