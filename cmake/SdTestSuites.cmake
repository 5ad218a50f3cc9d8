# Read by CTest before it runs tests: registers each suite of one GoogleTest program as one test, so that what its tests
# share is loaded once a suite. sd_add_test (SdTargets.cmake) sets what it reads: sd_program, sd_label, sd_properties,
# sd_slow_suites and sd_slow. A suite with many tests starts early, one of sd_slow_suites first, so that none is left over
# for one core at the end.
if(NOT EXISTS "${sd_program}")
  add_test("${sd_label}_NOT_BUILT" "${sd_label}_NOT_BUILT")
  return()
endif()

# Asking costs the start of the program, so the answer is kept until that changes.
set(sd_list "${sd_program}.tests")
if("${sd_program}" IS_NEWER_THAN "${sd_list}")
  execute_process(COMMAND "${sd_program}" --gtest_list_tests OUTPUT_VARIABLE sd_output RESULT_VARIABLE sd_result)
  if(NOT sd_result EQUAL 0)
    message(FATAL_ERROR "${sd_program} --gtest_list_tests ended with ${sd_result}:\n${sd_output}")
  endif()
  file(WRITE "${sd_list}" "${sd_output}")
endif()

# sd_add_suite(NAME COUNT): COUNT is how many tests it has.
macro(sd_add_suite name count)
  if(NOT "${name}" STREQUAL "" AND ${count} GREATER 0)
    set(sd_cost ${count})
    list(FIND sd_slow_suites "${name}" sd_found)
    if(sd_found GREATER_EQUAL 0)
      set(sd_cost ${sd_slow})
    endif()
    add_test("${name}" "${sd_program}" "--gtest_filter=${name}.*" --gtest_brief=1)
    set_tests_properties("${name}" PROPERTIES COST ${sd_cost} ${sd_properties})
  endif()
endmacro()

# "Suite." or "Instance/Suite.", with a comment behind it where it has types, then its tests, two spaces further in.
set(sd_suite "")
set(sd_count 0)
file(STRINGS "${sd_list}" sd_lines)
foreach(sd_line IN LISTS sd_lines)
  if(sd_line MATCHES "^([A-Za-z0-9_/]+)\\.( |$)")
    sd_add_suite("${sd_suite}" ${sd_count})
    set(sd_suite "${CMAKE_MATCH_1}")
    set(sd_count 0)
  elseif(sd_line MATCHES "^  [^ ]")
    math(EXPR sd_count "${sd_count} + 1")
  endif()
endforeach()
sd_add_suite("${sd_suite}" ${sd_count})
