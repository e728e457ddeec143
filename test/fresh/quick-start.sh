#!/bin/sh
# In a fresh Debian: the two commands of the quick start, as README.md has them, and nothing before them.
# $1 serves, $2 shows; what they say is on standard error, what was seen on standard output.
set -eu
began=$(date +%s)
told() { echo "$1 after $(($(date +%s) - began)) s"; }
give_up() {
  cat /tmp/serve.log >&2
  echo "$1" >&2
  exit 1
}

cd /root/tagwarden
sh -c "exec $1" >/tmp/serve.out 2>/tmp/serve.log &
server=$!
until grep -q '"msg":"listening"' /tmp/serve.out; do
  kill -0 "$server" 2>/dev/null || give_up "\"$1\" has ended"
  sleep 0.5
done
told "\"$1\" serves"
address=$(sed -n 's/.*"address":"\([^"]*\)".*"msg":"listening".*/\1/p' /tmp/serve.out)
status=$(node --input-type=module -e "console.log((await fetch('http://$address/v2/')).status)")
[ "$status" = 200 ] || give_up "http://$address/v2/ answers $status"
told "http://$address/v2/ answers 200"

sh -c "$2" >&2 || give_up "\"$2\" has failed"
told "\"$2\" has shown everything"

kill -TERM "$server"
wait "$server" || give_up "\"$1\" ended with code $? on SIGTERM"
told "\"$1\" has ended with code 0"
[ -z "$(git status --porcelain)" ] || give_up "the clone is not clean any more: $(git status --porcelain)"
told 'the clone is as clean as it was'
