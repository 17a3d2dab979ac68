#!/usr/bin/env bash
# `make compose-check`: the README's tour against a real `docker compose up`, which is then killed and must come back by
# itself with all it knew. A project of its own, so that it disturbs none; its volume of weights stays for the next time.
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
    await_address
    KEY=$(docker compose exec -T api cat /data/api_key)

    say "tools come from the gateway, and the api starts none"
    docker compose exec -T mcp-gateway sh -c 'cat /proc/[0-9]*/cmdline' | tr '\0' ' ' >"$tour.gateway"
    docker compose exec -T api sh -c 'cat /proc/[0-9]*/cmdline' | tr '\0' ' ' >"$tour.api"
    expect 'mcp_server_time' "$tour.gateway"
    if grep -q 'mcp_' "$tour.api"; then die "The api runs a tool server itself."; fi

    say "a hostile tool server does not get out of its sandbox here either"
    visit "$(id -u nobody)"
    visit 0

    say "the tour"
    write_tour >"$tour"
    bash "$tour" | tee "$tour.out"
    expect '"status":"completed"' "$tour.out"
    expect '"tool":"time__get_current_time"' "$tour.out"
    expect '"id":"poet"' "$tour.out"
    run=$(grep -om1 'run_[0-9a-f]\{8\}-[0-9a-f-]*' "$tour.out" | head -1)
    ask "/runs/$run/events" >"$tour.before"

    say "kill -9, and it comes back"
    docker compose exec -T api sh -c 'kill -9 $(cat /proc/1/task/1/children)' || true
    await_address
    ask "/runs/$run/events" | cmp - "$tour.before"
    restarts=$(docker inspect --format '{{.RestartCount}}' "$(docker compose ps --quiet api)")
    [ "$restarts" = 1 ] || die "It was to be restarted once, by itself, and was $restarts times."

    say "an orderly end"
    container=$(docker compose ps --quiet api)
    docker compose stop
    code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
    [ "$code" = 0 ] || die "It ended with $code."
    docker logs "$container" 2>&1 | refuse_secrets
    say "all is well"
}

# The same attempts as tests/security/test_a14_sandbox.py, by a user of this number in a container without any rights.
visit() {
    local cell
    cell=$(mktemp -d)
    chmod 777 "$cell"
    echo top >"$cell/secret"
    echo fine >"$cell/granted"
    docker run --rm --user "$1" --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp:mode=1777 \
        --volume "$PWD/tests:/app/tests:ro" --volume "$cell:/cell" --env CANARY=canary-in-the-parents-environment \
        --entrypoint /app/.venv/bin/python open-agent -m tests.support.prison_visit landlock /cell >/dev/null
    rm -rf "$cell"
}

say() { printf '\n== %s\n' "$1"; }

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

# The port is another one after each start.
await_address() {
    for _ in $(seq 120); do
        address="http://$(docker compose port api 8000 2>/dev/null || true)"
        if curl -sf "$address/readyz"; then return; fi
        sleep 1
    done
    die "It does not answer."
}

ask() { curl -sSf -H "Authorization: Bearer $KEY" "$address/v1$1"; }

# The README's own words, with this server's address and key.
write_tour() {
    printf 'set -eu\n'
    awk '/^```bash tour/ { on = 1; next } /^```/ { on = 0 } on' README.md |
        sed -e "s|http://127.0.0.1:8000|$address|" -e "s|\$(cat data/api_key)|$KEY|"
}

expect() { grep -q -- "$1" "$2" || die "The tour did not show $1."; }

# Every line is JSON, and none holds the key.
refuse_secrets() {
    awk -v key="$KEY" '!/^\{.*\}$/ || index($0, key) { print; bad = 1 } END { exit bad }' ||
        die "These lines of the log are no JSON, or show the key."
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
