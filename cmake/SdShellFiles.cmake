# What the shell and man know of sd is printed by sd itself, so it cannot fall behind its options.
set(_sd_shell_files)
# The words behind OUTPUT are sd's arguments.
function(sd_print_file output folder)
  set(file "${CMAKE_CURRENT_BINARY_DIR}/${output}")
  add_custom_command(OUTPUT "${file}"
    COMMAND sd ${ARGN} > "${file}.part"
    COMMAND ${CMAKE_COMMAND} -E rename "${file}.part" "${file}"
    DEPENDS sd VERBATIM)
  install(FILES "${file}" DESTINATION "${folder}")
  set(_sd_shell_files ${_sd_shell_files} "${file}" PARENT_SCOPE)
endfunction()

sd_print_file(sd.1 share/man/man1 man)
sd_print_file(sd share/bash-completion/completions completion bash)
sd_print_file(_sd share/zsh/site-functions completion zsh)
sd_print_file(sd.fish share/fish/vendor_completions.d completion fish)
add_custom_target(sd_shell_files ALL DEPENDS ${_sd_shell_files})
