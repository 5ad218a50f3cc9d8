# sd_precompile(NAME FROM): NAME takes the precompiled header of the target FROM, where there is one.
function(sd_precompile name from)
  if(TARGET ${from})
    target_precompile_headers(${name} REUSE_FROM ${from})
  endif()
endfunction()

# sd_add_library(NAME SOURCES … [ALONE …] [DEPENDS …] [TORCH | PRECOMPILED TARGET]): one static library per folder of src/.
# The DEPENDS of a folder are the arrows that ARCHITECTURE.md allows; the linker checks them. Files of a library are compiled
# several at a time (SD_UNITY), those that are named in ALONE each for itself: their private names are others' too.
function(sd_add_library name)
  cmake_parse_arguments(ARG "TORCH" "PRECOMPILED" "SOURCES;ALONE;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES} ${ARG_ALONE})
  set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  # Two of a library with LibTorch, so that two cores are busy to the end.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${SD_UNITY} UNITY_BUILD_BATCH_SIZE 10)
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/include"
                                     PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE sd_warnings ${ARG_PRIVATE_DEPENDS})
  if(ARG_TORCH)
    target_link_libraries(${name} PUBLIC LibTorch::torch)
    sd_precompile(${name} sd_torch_pch)
  elseif(ARG_PRECOMPILED)
    sd_precompile(${name} ${ARG_PRECOMPILED})
  else()
    sd_precompile(${name} sd_plain_pch)
  endif()
endfunction()

# Test code runs for milliseconds: optimising it would double the time that it takes to compile.
set(SD_TEST_OPTIONS -O0)

set(SD_SLOW 1000)  # CTest starts tests of a high cost first; a suite of LibTorch's costs the number of its tests

# Where tests read their data (tests/tools/test_data).
set(SD_TEST_DATA "${PROJECT_BINARY_DIR}/tests/data")

# sd_add_test(NAME SOURCES … DEPENDS … [TORCH] [SLOW | SLOW_SUITES …] [LABELS …]): a GoogleTest binary whose every test CTest knows. With
# TORCH CTest knows its suites, each of which runs in one process: LibTorch takes longer to start than most tests take.
# SLOW tests and SLOW_SUITES (of TORCH) start first, so that the last ones to run are short and no core waits for another.
function(sd_add_test name)
  cmake_parse_arguments(ARG "TORCH;SLOW" "TIMEOUT" "SOURCES;DEPENDS;SLOW_SUITES;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${name} PRIVATE
    SD_TEST_DATA="${SD_TEST_DATA}" SD_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    SD_BINARY="${PROJECT_BINARY_DIR}/sd")
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} sd_warnings GTest::gtest GTest::gtest_main)
  add_dependencies(${name} test_data)
  # libsd_sentencepiece.so is opened from there.
  set_target_properties(${name} PROPERTIES BUILD_RPATH "${PROJECT_BINARY_DIR}")
  target_compile_options(${name} PRIVATE ${SD_TEST_OPTIONS})
  if(ARG_TORCH)
    target_link_libraries(${name} PRIVATE LibTorch::torch)
    sd_precompile(${name} sd_torch_test_pch)
  else()
    sd_precompile(${name} sd_test_pch)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
    if(ARG_TORCH)
      set(ARG_TIMEOUT 600)  # for a whole suite
    endif()
  endif()
  set(libraries)
  if(SD_SANITIZE)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
    # A sanitizer's dlopen does not follow run paths, and test programs do not lie beside our libraries.
    set(libraries ENVIRONMENT_MODIFICATION "LD_LIBRARY_PATH=path_list_prepend:${PROJECT_BINARY_DIR}")
  endif()
  # Threads that wait in loops for one that has no core make a busy machine a hundred times slower.
  set(properties TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "GOMP_SPINCOUNT=1000" ${libraries})
  if(ARG_SLOW)
    list(APPEND properties COST ${SD_SLOW})
  endif()
  if(ARG_LABELS)
    list(APPEND properties LABELS "${ARG_LABELS}")
  endif()
  if(ARG_TORCH)
    set(suites "${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake")
    file(GENERATE OUTPUT "${suites}" CONTENT "set(sd_program [[$<TARGET_FILE:${name}>]])
set(sd_label ${name})
set(sd_properties [[${properties}]])
set(sd_slow_suites [[${ARG_SLOW_SUITES}]])
set(sd_slow ${SD_SLOW})
include([[${PROJECT_SOURCE_DIR}/cmake/SdTestSuites.cmake]])
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${suites}")
  else()
    include(GoogleTest)
    # NO_PRETTY_VALUES: a parameter's name stands in the test's name, not its value, which may print as bytes.
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES PROPERTIES ${properties})
  endif()
endfunction()
