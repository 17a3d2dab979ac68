#!/usr/bin/env bash
# `make compose-check`: the README's tour against a real `docker compose up`, which is then killed and must come back by
# itself with all it knew, and go on with the run that was under way. A project of its own, so that it disturbs none; its
# volume of weights stays for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."

export COMPOSE_PROJECT_NAME=open-agent-check COMPOSE_PROFILES= PORT=0 # a free one
tour=$(mktemp)

main() {
    docker compose version >/dev/null 2>&1 || die "Docker Compose is needed, and was not found."
    docker info >/dev/null 2>&1 || die "No Docker engine answers: start one, or say with DOCKER_HOST where it is."
    trap leave EXIT

    say "up"
    docker compose up --detach --build --wait --wait-timeout 2400
    find_address
    KEY=$(docker compose exec -T api cat /data/api_key)
    GATEWAY_KEY=$(docker compose exec -T api cat /gateway/api_key)

    say "all tool servers are in the gateway, in their sandboxes, and the api has none"
    processes mcp-gateway | tee "$tour.gateway"
    processes api | tee "$tour.api"
    expect 'mcp_server_time' "$tour.gateway"
    if grep -q 'mcp_' "$tour.api"; then die "The api runs a tool server itself."; fi
    await_servers | tee "$tour.servers"
    for server in time calculator fetch sql docs; do expect "$server: ready, \(bwrap\|landlock\)" "$tour.servers"; done

    say "a hostile tool server does not get out of its sandbox here either"
    guarded="--read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp:mode=1777"
    for who in "$(id -u nobody) $guarded" "0 $guarded" 0; do
        echo "as $who"
        # shellcheck disable=SC2086 - the options are words
        visit $who
    done

    say "the tour"
    write_tour >"$tour"
    bash "$tour" | tee "$tour.out"
    expect '"status":"completed"' "$tour.out"
    expect '"tool":"time__get_current_time"' "$tour.out"
    expect '"id":"poet"' "$tour.out"
    run=$(find_id run <"$tour.out")
    ask "/runs/$run/events" >"$tour.before"

    say "kill -9 in the middle of a run, and it comes back with all it knew"
    conversation=$(ask /conversations -d '{}' | find_id conv)
    ask "/conversations/$conversation/messages" -d '{"content": "Count from one to thirty, in words."}' >/dev/null
    broken=$(ask "/conversations/$conversation/runs" -d '{"agent_id": "general"}' | find_id run)
    ask "/runs/$broken/events" --no-buffer 2>/dev/null | grep --max-count 1 'model.delta' || true
    kill_and_await api
    find_address
    ask "/runs/$run/events" | cmp - "$tour.before"
    printf '\nThe %s bytes of the events of %s are the same.\n' "$(wc -c <"$tour.before")" "$run"
    restarts=$(docker inspect --format '{{.RestartCount}}' "$(docker compose ps --quiet api)")
    [ "$restarts" = 1 ] || die "It was to be restarted once, by itself, and was $restarts times."
    ask "/runs/$broken/events" >"$tour.resumed"
    grep '^data:.*"type":"run\.' "$tour.resumed"
    expect '"type":"run.resumed"' "$tour.resumed"
    expect '"type":"run.completed"' "$tour.resumed"

    say "kill -9 of the gateway, and the tools come back"
    kill_and_await mcp-gateway
    await_servers >"$tour.servers"
    expect 'time: ready' "$tour.servers"
    ask_tool

    say "an orderly end"
    containers=$(docker compose ps --quiet api mcp-gateway)
    docker compose stop
    for container in $containers; do
        docker inspect --format '{{.Name}} ended with {{.State.ExitCode}}.' "$container" | tee "$tour.code"
        expect 'ended with 0' "$tour.code"
        docker logs "$container" 2>&1 | refuse_secrets
    done
    say "all is well"
}

# The command lines in a container of this service.
processes() {
    docker compose exec -T "$1" sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo; done' |
        awk -v service="$1" 'NF && !/\/proc/ { print service ": " $0 }'
}

# How each server of the gateway is, and its sandbox, once none is starting any more: a session begins no sooner.
await_servers() {
    docker compose exec -T mcp-gateway .venv/bin/python - <<'END'
import json, urllib.request

key = open("/data/api_key").read().strip()
headers = {"Authorization": f"Bearer {key}", "Host": "mcp-gateway:8000", "Content-Type": "application/json"}
headers["Accept"] = "application/json, text/event-stream"
hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "check", "version": "1"}}
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8000/mcp", body, headers), timeout=120).read()
info = urllib.request.Request("http://127.0.0.1:8000/v1/info", headers=headers)
for name, server in json.load(urllib.request.urlopen(info))["mcp_servers"].items():
    print(f"{name}: {server['state']}, {server['sandbox']} {server['detail']}".rstrip())
END
}

ask_tool() {
    curl -sSf --retry 120 --retry-delay 1 --retry-all-errors "$address/readyz" >/dev/null
    ask /tools/time__get_current_time/invoke -d '{"arguments": {"timezone": "Asia/Tokyo"}}' >"$tour.tool"
    cat "$tour.tool"
    expect '"status":"ok"' "$tour.tool"
}

# Kills the service's program, and returns once the engine has started it again and calls it healthy.
kill_and_await() {
    local container events listener since
    container=$(docker compose ps --quiet "$1")
    since=$(date +%s)
    docker compose exec -T "$1" sh -c 'kill -9 $(cat /proc/1/task/1/children)' || true
    exec {events}< <(exec timeout 180 docker events --since "$since" --filter "container=$container" --format '{{.Action}}')
    listener=$!
    grep --quiet --line-regexp --max-count 1 'health_status: healthy' <&"$events" || die "$1 did not come back."
    kill "$listener" 2>/dev/null || true
    exec {events}<&-
}

# visit USER [OPTION OF DOCKER RUN…]
# The same attempts as tests/security/test_a14_sandbox.py, by a user of this number in a container.
visit() {
    local cell user=$1
    shift
    cell=$(mktemp -d)
    chmod 777 "$cell"
    echo top >"$cell/secret"
    echo fine >"$cell/granted"
    docker run --rm --user "$user" "$@" \
        --volume "$PWD/tests:/app/tests:ro" --volume "$cell:/cell" --env CANARY=canary-in-the-parents-environment \
        --entrypoint /app/.venv/bin/python open-agent -m tests.support.prison_visit landlock /cell
    rm -rf "$cell"
}

say() { printf '\n== %s\n' "$1"; }

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

# The port is another one after each start.
find_address() {
    address="http://$(docker compose port api 8000)"
    curl -sSf "$address/readyz"
}

# ask PATH [OPTION OF CURL…]
ask() {
    local path=$1
    shift
    curl -sSf -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" "$address/v1$path" "$@"
}

find_id() { grep -o "$1_[0-9a-f]\{8\}-[0-9a-f-]*" | head -1; }

# The README's own words, with this server's address and key.
write_tour() {
    printf 'set -eu\n'
    awk '/^```bash tour/ { on = 1; next } /^```/ { on = 0 } on' README.md |
        sed -e "s|http://127.0.0.1:8000|$address|" -e "s|\$(cat data/api_key)|$KEY|"
}

expect() { grep -q -- "$1" "$2" || die "It did not show $1."; }

# Every line is JSON, and none holds the key of a person or of the gateway.
refuse_secrets() {
    awk -v key="$KEY" -v own="$GATEWAY_KEY" '
        !/^\{.*\}$/ || index($0, key) || index($0, own) { print; bad = 1 }
        END { if (!bad) print NR " lines of its log are JSON and show no key."; exit bad }' ||
        die "These lines of the log are no JSON, or show a key."
}

leave() {
    status=$?
    [ "$status" = 0 ] || docker compose logs --tail 30 || true
    docker compose down --timeout 30 >/dev/null 2>&1 || true
    docker volume rm "${COMPOSE_PROJECT_NAME}_data" "${COMPOSE_PROJECT_NAME}_gateway" >/dev/null 2>&1 || true
    rm -f "$tour" "$tour".*
    exit "$status"
}

main
