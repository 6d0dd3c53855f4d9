#!/bin/sh
# Usage: limited.sh PROGRAM [ARGUMENT]...
# Runs it with a limit to the memory that it may fill. git reads many a file whole (a ref, .gitignore, MERGE_HEAD), and
# a worker can make any of them as large as it likes, at no cost: 14 GB of a sparse ref were read in one call. What git
# maps from its packs and its index doesn't count (getrlimit(2), RLIMIT_DATA); what it keeps of a large history does.
ulimit -d 2097152
# What it is started by, a line each: see confinementVariable in spawn.ts.
if [ -n "${FACTORY_GIT_CONFINEMENT-}" ]; then
  confinement=$FACTORY_GIT_CONFINEMENT
  unset FACTORY_GIT_CONFINEMENT
  set -f
  IFS='
'
  set -- $confinement "$@"
fi
# Where its caller signals a whole group: see spawn.ts.
if [ -n "${FACTORY_GIT_GROUP-}" ]; then
  unset FACTORY_GIT_GROUP
  exec setsid "$@"
fi
exec "$@"
