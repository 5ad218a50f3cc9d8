# Writes a header that names the symbol by which `sd` finds its other half. The name holds a hash of every header of the
# project that cli/engine/engine.h includes, directly or not, and of every option's row: halves that were built from different
# ones do not find each other.
#
#   cmake -DSOURCE_DIR=DIR -DOUTPUT=FILE -DDEPFILE=FILE -P SdEngineEntry.cmake
cmake_minimum_required(VERSION 3.25)

set(waiting "${SOURCE_DIR}/src/cli/engine/engine.h")
set(headers)
while(waiting)
  list(POP_FRONT waiting header)
  if(header IN_LIST headers)
    continue()
  endif()
  list(APPEND headers "${header}")
  file(STRINGS "${header}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*" "\\1" name "${line}")
    set(found FALSE)
    cmake_path(GET header PARENT_PATH folder)
    foreach(root "${SOURCE_DIR}/src" "${SOURCE_DIR}/include" "${folder}")
      if(NOT found AND EXISTS "${root}/${name}")
        list(APPEND waiting "${root}/${name}")
        set(found TRUE)
      endif()
    endforeach()
    if(NOT found)
      message(FATAL_ERROR "${header} includes \"${name}\", which is neither in src nor in include")
    endif()
  endforeach()
endwhile()

file(GLOB rows "${SOURCE_DIR}/src/cli/options/*_rows.cpp")
list(APPEND headers ${rows})
list(SORT headers)
set(hashes)
set(names)
foreach(header IN LISTS headers)
  file(SHA256 "${header}" hash)
  cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE name)
  string(APPEND hashes "${name} ${hash}\n")
  string(APPEND names "// ${name}\n")
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING "${hash}" 0 16 hash)
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT
"// Made from what both halves of the program share:
@names@#pragma once

#define SD_ENGINE_ENTRY sd_engine_@hash@
#define SD_ENGINE_INTERFACE \"@hash@\"
")
list(JOIN headers " " headers)
file(WRITE "${DEPFILE}" "${OUTPUT}: ${headers}\n")
