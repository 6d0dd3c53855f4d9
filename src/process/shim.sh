#!/bin/bash
# Runs one agent apart from the server, and writes down how it ended.
#
#   cd <session folder> && FACTORY_SESSION_NONCE=<nonce> bash -p shim.sh <control group or ""> [group of caps…] -- <worktree> <command> [argument…]
#
# Started by launch.ts in a session of its own. Standard input holds one line, the key by which exit.json is known
# to be this shim's; who runs is told on standard output, as a worker can write any file. Both are gone before the
# agent's first instruction. Up to the agent's first instruction it uses builtins alone and forks once. Statuses of its own, all without
# an agent having run: 120 this bash is too old, 121 the folder can't be written, 122 the folder was
# used before, 123 a group of caps can't be entered.
#
# Until the agent has started, variables are named factory_shim_*: to set a name that came in by the
# environment would change what the agent sees.

factory_shim_signals="HUP INT QUIT USR1 USR2 ALRM PIPE TERM"

prepare() {
  (( BASH_VERSINFO[0] >= 5 )) || exit 120
  unset factory_shim_state factory_shim_held factory_shim_relay factory_shim_key factory_shim_report
  set -m             # job control: the agent gets a process group of its own
  set -C             # files are created with O_EXCL: of two shims in one folder, one goes on
  BASH_ARGV0=factory # the name in bash's own messages, which go to the worker's stderr

  # Not "ignore" before the agent is forked: it would inherit that, while handlers are reset.
  trap : $factory_shim_signals
  trap record_state CHLD

  # The end will be written over space that is taken now, so that a full disk doesn't lose it.
  [[ -e exit.json.partial ]] && exit 122
  printf '%512s\n' '' >exit.json.partial || exit 121
  printf '%512s\n' '' >job-state || exit 121

  # The server was killed before it could say.
  read -r factory_shim_key || exit 121
  exec </dev/null
}

# `wait` says 143 for `exit 143` and for a death by SIGTERM alike; the list of jobs tells them apart,
# once, before `wait` returns. Sets factory_shim_state to a line such as "[1]+ 123 Exit 143".
record_state() {
  case ${factory_shim_state-} in
    '' | *Running* | *Stopped*)
      LC_ALL=C jobs -l 1<>job-state
      read -r factory_shim_state <job-state
      # Without the command.
      factory_shim_state=${factory_shim_state%%(*)}
      ;;
  esac
}

# Node closes what it opened itself, but not all that the server inherited, and no worker may hold
# that open. Bash reads this script by one of them.
close_inherited() {
  local factory_shim_fd
  for factory_shim_fd in /proc/$$/fd/*; do
    if [[ ! $factory_shim_fd -ef $1 ]]; then
      factory_shim_fd=${factory_shim_fd##*/}
      (( factory_shim_fd > 2 )) && exec {factory_shim_fd}>&-
    fi
  done
}

open_input() {
  factory_shim_input=/dev/null
  if [[ -f input ]]; then
    # What is appended to the file reaches the agent, whoever appends and whenever; the file itself stays
    # as the record of what was said. The relay ends with this shim, or earlier by whoever ends the input.
    exec {factory_shim_held}< <(
      PATH=/usr/bin:/bin:$PATH
      exec tail --pid=$$ --bytes=+1 --follow input 2>/dev/null
    ) || exit 121
    factory_shim_relay=$!
    factory_shim_input=/dev/fd/$factory_shim_held
  fi
}

# Sets factory_shim_time to now, in ISO 8601.
read_clock() {
  local factory_shim_now=$EPOCHREALTIME
  local factory_shim_fraction=${factory_shim_now#*[.,]} # the separator is the locale's
  TZ=UTC0 printf -v factory_shim_time '%(%Y-%m-%dT%H:%M:%S)T' "${factory_shim_now%[.,]*}"
  factory_shim_time+=.${factory_shim_fraction:0:3}Z
}

write_identity() {
  local factory_shim_boot factory_shim_own factory_shim_parent factory_shim_time factory_shim_facts factory_shim_line
  read -r factory_shim_boot </proc/sys/kernel/random/boot_id
  read -r factory_shim_own </proc/self/stat
  read -r factory_shim_parent </proc/$$/stat
  # Counted after the last parenthesis, as the name in them may hold anything. By proc(5) the
  # process group is field 5 and the start time field 22, so 2 and 19 here.
  factory_shim_own=(${factory_shim_own##*) })
  factory_shim_parent=(${factory_shim_parent##*) })
  factory_shim_facts=null
  if [[ -n ${factory_shim_relay-} ]] && read -r factory_shim_facts <"/proc/$factory_shim_relay/stat"; then
    factory_shim_facts=(${factory_shim_facts##*) })
    factory_shim_facts="{\"pid\":$factory_shim_relay,\"startTime\":${factory_shim_facts[19]}}"
  fi
  read_clock
  printf -v factory_shim_line '{"bootId":"%s","shim":{"pid":%d,"startTime":%d},"agent":{"pid":%d,"startTime":%d,"processGroup":%d},"relay":%s,"nonce":"%s","startedAt":"%s"}' \
    "$factory_shim_boot" "$$" "${factory_shim_parent[19]}" \
    "$BASHPID" "${factory_shim_own[19]}" "${factory_shim_own[2]}" "$factory_shim_facts" \
    "$FACTORY_SESSION_NONCE" "$factory_shim_time"
  # One line, hence one write(2).
  printf '%s\n' "$factory_shim_line" >identity.json || return
  # A server that was killed meanwhile finds the file.
  trap '' PIPE
  printf '%s\n' "$factory_shim_line" >&"$factory_shim_report" 2>/dev/null
  trap - PIPE
  exec {factory_shim_report}>&-
}

# Where the whole machine is out of memory, workers go before the server and its database. Raised alone: to lower it
# takes a privilege.
offer_to_the_kernel() {
  local factory_shim_score
  read -r factory_shim_score 2>/dev/null </proc/self/oom_score_adj || return 0
  (( factory_shim_score >= 500 )) || printf 500 2>/dev/null >|/proc/self/oom_score_adj
}

# Runs in the subshell that becomes the agent.
become_agent() {
  [[ -n ${factory_shim_held-} ]] && exec {factory_shim_held}<&-
  # Where it may not be entered, the worker is found by other means. 0 is who writes.
  [[ -n $1 ]] && printf 0 2>/dev/null >|"$1/cgroup.procs"
  shift
  # An agent that isn't held to its caps is not started.
  while [[ $1 != -- ]]; do
    printf 0 2>/dev/null >|"$1/cgroup.procs" || exit 123
    shift
  done
  shift
  offer_to_the_kernel
  # Before the agent's first instruction, so where no identity is, nothing ran.
  write_identity || exit 121

  local factory_shim_folder=$PWD
  cd -- "$1" 2>/dev/null || refuse DIRECTORY_UNAVAILABLE 127
  shift
  # A failed exec ends a subshell, so what can be known is asked before.
  if [[ $1 != */* ]]; then
    hash -- "$1" 2>/dev/null || refuse COMMAND_NOT_FOUND 127
  elif [[ ! -e $1 ]]; then
    refuse COMMAND_NOT_FOUND 127
  elif [[ -d $1 || ! -x $1 ]]; then
    refuse COMMAND_NOT_EXECUTABLE 126
  fi
  # Bash's own additions to the environment.
  unset OLDPWD
  (( SHLVL > 1 )) || unset SHLVL
  exec -- "$@"
}

refuse() {
  printf '%s\n' "$1" >"$factory_shim_folder/start-failure"
  exit "$2"
}

# Sets status.
wait_for_agent() {
  # Handlers would now do harm: a signal that comes with the agent's end makes bash 5.2 lose its status.
  trap '' $factory_shim_signals
  # Without job control bash asks the kernel for ends alone, so a stopped agent is no matter. (With
  # it `wait -f` is meant for that, but in bash 5.2 it may spin for ever on a stop.)
  set +m
  set +o posix # by POSIXLY_CORRECT in the agent's environment, SIGCHLD would end the wait
  while :; do
    wait "$1"
    status=$?
    [[ -e /proc/$1 ]] || return
    sleep 1 # it stopped before set +m: rare, but then `wait` doesn't wait
  done
}

write_exit() {
  local code=$status signal=null failure='' name record seal uptime factory_shim_time
  read_clock
  read -r uptime _ </proc/uptime
  if [[ ${factory_shim_state-} =~ \ Exit\ ([0-9]+) ]]; then
    code=${BASH_REMATCH[1]}
  elif (( status > 128 )); then
    # 128 + its number is what bash says of a signal.
    name=$(kill -l $((status - 128))) || name=$((status - 128))
    code=null signal="\"SIG$name\""
  fi
  if [[ -s start-failure ]]; then
    read -r failure <start-failure
    failure=",\"error\":\"$failure\""
  fi
  # endedTick: hundredths of a second since boot, the unit of a process's start time.
  printf -v record '{"exitCode":%s,"signal":%s,"endedAt":"%s","endedTick":%s%s}' \
    "$code" "$signal" "$factory_shim_time" "${uptime/./}" "$failure"
  # Who doesn't have the key can't write another end, and none that it read can be changed.
  seal=$(printf '%s\n' "$factory_shim_key" "$record" "$factory_shim_key" | sha256sum) &&
    record="${record%\}},\"seal\":\"${seal%% *}\"}"
  # What the worker put there is in the way of it.
  [[ -f exit.json.partial && ! -L exit.json.partial ]] || rm -rf exit.json.partial
  [[ -d exit.json && ! -L exit.json ]] && rm -rf exit.json
  # Over the reserved blanks, which JSON allows after a value.
  if printf '%s' "$record" 1<>exit.json.partial; then
    sync exit.json.partial
    mv -fT exit.json.partial exit.json && return
  fi
  # No process could be forked: better not atomic than not at all.
  set +C
  printf '%s\n' "$record" >exit.json
}

# Where this shim adopts what its agent left (see launch.ts), those processes are its children until they end, and
# are found by that. Then there is nothing more to do.
wait_for_orphans() {
  local children
  while children='' && read -r children <"/proc/$$/task/$$/children"; [[ -n $children ]]; do
    sleep 0.1
  done 2>/dev/null
}

run() {
  close_inherited "$0"
  prepare
  open_input
  exec {factory_shim_report}>&1 >/dev/null
  ( become_agent "$@" ) <"$factory_shim_input" >>stdout 2>>stderr &
  exec {factory_shim_report}>&-
  # From here on nothing reaches the agent's environment.
  agent=$!
  # Held on to here, the relay would not notice that nobody reads.
  [[ -n ${factory_shim_relay-} ]] && exec {factory_shim_held}<&-
  wait_for_agent "$agent"
  [[ -n ${factory_shim_relay-} ]] && kill "$factory_shim_relay" 2>/dev/null
  trap - CHLD
  PATH=/usr/bin:/bin:$PATH
  [[ -s identity.json ]] || exit $(( status == 123 ? 123 : 121 ))
  write_exit
  wait_for_orphans
}

# Bash reads a script as it goes. All of it is read by now, and nothing after this line, so that the
# file may be replaced under a running worker.
run "$@"; exit
