# Language level, build type, ccache, sanitizers and the warnings of our own targets.
set(CMAKE_CXX_STANDARD 20)  # the LibTorch headers demand it
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# One precompiled header serves libraries and programs only if both are compiled alike.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # ccache refuses precompiled headers unless told that their time stamps do not matter. The base folder makes build/
  # and build-cuda/ share their objects, which differ in nothing but that name.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${CCACHE_PROGRAM}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

add_library(sd_warnings INTERFACE)
target_compile_options(sd_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow>
  # g++ 12 warns of overflows inside std::string once its header comes precompiled (it no longer counts as a system's).
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict>
  # To clang a variable shadows what another file of the same unit has for itself alone.
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<BOOL:${SD_UNITY}>>:-Wno-shadow>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${SD_WERROR}>>:-Werror>)

if(SD_SANITIZE)
  add_compile_options(-fsanitize=${SD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${SD_SANITIZE})
endif()
