# The rules of scripts/check_layers. Reads the sources whose names are given relative to the project's folder; prints
# FILE:LINE: for each breach and exits 1 if there was one.
BEGIN {
  max_lines = 400
  # One class each, or a test of one subject, that would be harder to read in two files.
  longer["src/pipeline/convert.cpp"] = longer["tests/cli/test_task_journal.cpp"] = 500
  longer["scripts/gpu/check.py"] = longer["tests/cli/test_batch_binary.cpp"] = longer["tests/cli/test_edit_binary.cpp"] = 500
  # The folders of the command line, from the ground up: each may include those before it.
  floors = split("shell models options parser maps record plan engine draw tasks commands", floor_name, " ")
  for (i = 1; i <= floors; i++) floor_of[floor_name[i]] = i
  # Two that do not see each other: the one is opened by the other, through engine/.
  apart["tasks", "draw"] = apart["commands", "draw"] = 1
  allowed["core"] = ""
  allowed["text"] = "core"
  allowed["kernels"] = "core"
  allowed["cuda"] = ""
  allowed["weights"] = "core"
  allowed["networks"] = "core kernels weights"
  allowed["nn"] = "core kernels cuda"
  allowed["models"] = "nn core"
  allowed["diffusion"] = "core"
  allowed["control"] = "text core"  # and one header of nn, below
  allowed["image"] = "core"
  allowed["pipeline"] = "core kernels cuda text weights networks nn models diffusion control image"
  allowed["capi"] = "core text networks image control pipeline"
  allowed["trainer"] = "core text weights networks nn models diffusion control image pipeline cli"  # tools/trainer
  # The command line knows the torch-free rooms too: `sd info` and option checks must not load LibTorch.
  allowed["cli"] = "pipeline control core kernels text weights networks image"
  extra["capi", "sd/sd.h"] = 1  # the C interface itself
  extra["control", "sd/nn/attention_controller.h"] = 1
  extra["cli", "sd/nn/attention_controller.h"] = 1  # chains controls with what observes them
  torch_free["kernels"] = torch_free["networks"] = torch_free["text"] = torch_free["image"] = torch_free["weights"] = 1
  sees_torch["load_weights"] = 1  # the one file of weights that does
  breaches = 0
}
function breach(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; breaches = 1 }
# The folder of src/cli that a path below it lies in; empty where it lies in none.
function cli_folder(path,   parts) { return split(path, parts, "/") == 3 && parts[1] == "cli" ? parts[2] : "" }
function check_cli(header,   from, to) {
  from = cli_folder(substr(FILENAME, 5))  # behind "src/"
  to = cli_folder(header)
  if (from == "") return  # main.cpp, and the trainer
  if (!(to in floor_of)) {
    breach("\"" header "\" lies in no folder of the command line")
  } else if (floor_of[to] > floor_of[from] || (from, to) in apart) {
    breach("\"cli/" from "\" may not include \"" header "\"")
  }
}
function room_of(path,   parts) {
  if (path ~ /^include\/sd\/[^\/]+\//) { split(path, parts, "/"); return parts[3] }
  if (path ~ /^(src|tools)\/[^\/]+\//) { split(path, parts, "/"); return parts[2] }
  return ""
}
FNR == 1 {
  room = room_of(FILENAME)
  stem = FILENAME; sub(/.*\//, "", stem); sub(/\.[a-z]+$/, "", stem)
  if (room != "" && !(room in allowed)) breach("the room \"" room "\" is not in this table")
  if (FILENAME ~ /^src\/cli\/[^\/]+\.(cpp|h)$/ && stem != "main") breach("belongs into a folder of src/cli")
  if (FILENAME ~ /^src\/cli\/[^\/]+\// && !(cli_folder(substr(FILENAME, 5)) in floor_of)) breach("the folder is not in this table")
}
function limit() { return FILENAME in longer ? longer[FILENAME] : max_lines }
FNR == limit() + 1 { breach("longer than " limit() " lines; split it by purpose") }
room == "" || !(room in allowed) || !/^[ \t]*#[ \t]*include/ { next }
/<(torch|ATen|c10)\// {
  if (room in torch_free && !(stem in sees_torch)) breach("the room \"" room "\" must not see LibTorch")
  next
}
/"/ {
  split($0, quoted, "\"")
  header = quoted[2]
  if (header !~ /\//) next  # beside the file
  target = header; sub(/^sd\//, "", target); sub(/\/.*/, "", target)
  if (room == "cli" && target == "cli") check_cli(header)
  if (target == room || (room, header) in extra) next
  if (!(target in allowed)) {
    breach("\"" header "\" belongs to no room")
  } else if (index(" " allowed[room] " ", " " target " ") == 0) {
    breach("\"" room "\" may not include \"" header "\"; it may include: " \
           (allowed[room] == "" ? "no other room" : allowed[room]))
  } else if (header !~ /^sd\// && FILENAME ~ /^include\//) {
    breach("a public header may not include the private \"" header "\"")
  }
}
END { exit breaches }
