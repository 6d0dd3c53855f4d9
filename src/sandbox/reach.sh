#!/bin/sh
# Usage: reach.sh PATH... -- COMMAND [ARGUMENT...]
# Runs the command with each path also at /run/factory-reach/1, /run/factory-reach/2 and so on. For a user who isn't let through the
# folders above them, as root's own home; nobody else sees it, as this runs in a mount namespace of its own.
set -e
folder=/run/factory-reach
command -p mkdir -p "$folder"
command -p mount -t tmpfs -o mode=755,size=1m factory "$folder"
number=0
while [ "$1" != -- ]; do
  number=$((number + 1))
  if [ -d "$1" ]; then
    command -p mkdir "$folder/$number"
  else
    : >"$folder/$number"
  fi
  command -p mount --bind "$1" "$folder/$number"
  shift
done
shift
exec "$@"
