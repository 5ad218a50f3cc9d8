# The rules of scripts/check_layers. Reads the sources whose names are given relative to the project's folder; prints
# FILE:LINE: for each breach and exits 1 if there was one.
BEGIN {
  max_lines = 500
  allowed["core"] = ""
  allowed["text"] = "core"
  allowed["weights"] = "core"
  allowed["nn"] = "core"
  allowed["models"] = "nn core"
  allowed["diffusion"] = "core"
  allowed["control"] = "text core"  # and one header of nn, below
  allowed["image"] = "core"
  allowed["pipeline"] = "core text weights nn models diffusion control image"
  allowed["train"] = "core text weights nn models diffusion control image pipeline"
  # The command line knows the torch-free rooms too: `sd info` and option checks must not load LibTorch.
  allowed["cli"] = "pipeline control train core text weights image"
  extra["control", "sd/nn/attention_controller.h"] = 1
  torch_free["text"] = torch_free["image"] = torch_free["weights"] = 1
  sees_torch["load_weights"] = 1  # the one file of weights that does
  breaches = 0
}
function breach(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; breaches = 1 }
function room_of(path,   parts) {
  if (path ~ /^include\/sd\/[^\/]+\//) { split(path, parts, "/"); return parts[3] }
  if (path ~ /^src\/[^\/]+\//) { split(path, parts, "/"); return parts[2] }
  return ""
}
FNR == 1 {
  room = room_of(FILENAME)
  stem = FILENAME; sub(/.*\//, "", stem); sub(/\.[a-z]+$/, "", stem)
  if (room != "" && !(room in allowed)) breach("the room \"" room "\" is not in this table")
}
FNR == max_lines + 1 { breach("longer than " max_lines " lines; split it by purpose") }
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
