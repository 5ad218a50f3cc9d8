#!/usr/bin/env bash
# Draws a list of prompts with three workers of a real launcher on this machine, kills one of them with SIGKILL in the middle,
# lets --resume finish, and checks that no picture is missing or there twice.
#
#   scripts/try_cluster.sh slurm     # Debian: slurmctld slurmd munge slurm-client; starts daemons of its own, as root
#   scripts/try_cluster.sh mpi       # Debian: openmpi-bin
#
# SD names the binary (build/sd), TASKS the number of prompts (24).
set -euo pipefail
cd "$(dirname "$0")/.."

launcher=${1:?usage: scripts/try_cluster.sh slurm|mpi}
sd=$(realpath "${SD:-build/sd}")
tasks=${TASKS:-24}
work=$(mktemp -d)
daemons=()

end() {
  for ((i = ${#daemons[@]} - 1; i >= 0; --i)); do kill "${daemons[$i]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

start_slurm() {
  local host
  host=$(hostname -s)
  mkdir -p "$work"/{munge,state,spool}
  chmod 700 "$work/munge"
  (umask 077 && head -c 1024 /dev/urandom > "$work/munge/key")
  munged --foreground --force --key-file "$work/munge/key" --socket "$work/munge/socket" --pid-file "$work/munge/pid" \
    --log-file "$work/munge/log" --seed-file "$work/munge/seed" > /dev/null 2>&1 &
  daemons+=($!)
  cat > "$work/slurm.conf" <<EOF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldPort=36817
SlurmdPort=36818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=3 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
  export SLURM_CONF=$work/slurm.conf
  slurmctld -D > "$work/slurmctld.log" 2>&1 &
  daemons+=($!)
  slurmd -D > "$work/slurmd.log" 2>&1 &
  daemons+=($!)
  for _ in $(seq 60); do
    [[ $(sinfo -h -o %t 2>/dev/null) == idle ]] && return
    sleep 1
  done
  echo "Slurm does not start:" >&2
  tail -n 20 "$work"/slurm*.log "$work/munge/log" >&2
  exit 1
}

# What a user would write on a cluster, but for the number of threads.
draw() {
  local command=("$sd" txt2img --from-file "$work/prompts.txt" --outdir "$work/out" --steps 50 --threads 1 --resume -q)
  if [[ $launcher == slurm ]]; then
    srun --ntasks 3 --cpus-per-task 1 "${command[@]}"
  else
    mpirun --allow-run-as-root --oversubscribe -np 3 "${command[@]}"
  fi
}

count() { find "$work/out/samples" -name '[0-9]*.png' 2>/dev/null | wc -l; }

colours=(red blue green yellow purple)
for ((i = 0; i < tasks; ++i)); do echo "a ${colours[i % 5]} apple, number $i"; done > "$work/prompts.txt"
[[ $launcher == mpi ]] || start_slurm

draw > "$work/first.log" 2>&1 &
run=$!
until (($(count) >= 4)); do
  kill -0 "$run" 2>/dev/null || { cat "$work/first.log" >&2; exit 1; }
  sleep 0.1
done
victim=$(pgrep -f "^$sd txt2img --from-file $work/prompts.txt" | sort -n | sed -n 2p)
kill -KILL "$victim"
if wait "$run"; then echo "the launcher noticed nothing"; fi
echo "$launcher: a worker was killed after $(count) of $tasks pictures"
find "$work/out" -mindepth 1 -maxdepth 1 -printf '  %f\n' | sort

draw > "$work/second.log" 2>&1 || { cat "$work/second.log" >&2; exit 1; }
echo "$launcher: $(count) pictures after --resume"

# Every prompt once, and none besides.
for picture in "$work"/out/samples/[0-9]*.png; do "$sd" info --json "$picture"; done |
  python3 -c 'import json, sys; print(*(json.loads(line)["texts"]["sd"]["prompt"] for line in sys.stdin), sep="\n")' |
  sort > "$work/drawn.txt"
if diff <(sort "$work/prompts.txt") "$work/drawn.txt"; then
  echo "$launcher: no picture twice, none missing"
else
  exit 1
fi
