#!/usr/bin/env bash
# A Docker engine of the machine's own, and the images that the tests use. Never fails: what could not be had is said,
# and the tests that need it skip and say so, too.
#   BUILDER   a command that makes an image of the name given to it (`pyassay images build` of this checkout)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 0

IMAGES=(debian:bullseye debian:bookworm debian:trixie debian:trixie+python3)
LOG=${TMPDIR:-/tmp}/pyassay-dockerd.log

say() { echo "engine: $*"; }
answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

install_packages() {
    local missing=() pair
    for pair in dockerd:docker.io docker:docker.io debootstrap:debootstrap mmdebstrap:mmdebstrap bwrap:bubblewrap \
        busybox:busybox-static; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    # Packages that name the command "docker" may hold only the client.
    PATH=$PATH:/usr/sbin:/sbin command -v docker >/dev/null || missing+=(docker-cli)
    if ((${#missing[@]} == 0)); then return; fi
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        say "not installed, and not installing: ${missing[*]}"
        return
    fi
    export DEBIAN_FRONTEND=noninteractive
    timeout 120 apt-get update -qq || say "apt-get update failed"
    # One by one: not every release has every one of them.
    local package
    for package in "${missing[@]}"; do
        timeout 300 apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
            say "could not install $package"
    done
}

wait_for_engine() {
    local second
    for ((second = 0; second < $1; second++)); do
        if answers; then return 0; fi
        # It has given up already.
        if [[ -n ${2:-} ]] && ! kill -0 "$2" 2>/dev/null; then return 1; fi
        sleep 1
    done
    return 1
}

start_engine() {
    if answers; then return 0; fi
    if [[ -n ${DOCKER_HOST:-} ]]; then
        say "DOCKER_HOST names one, and it does not answer"
        return 1
    fi
    if [[ $(id -u) != 0 ]] || ! PATH=$PATH:/usr/sbin:/sbin command -v dockerd >/dev/null; then
        say "none answers, and none can be started here"
        return 1
    fi
    # The package may be starting one at this moment.
    if wait_for_engine 5; then return 0; fi
    # What containers of ours need is least: no network, and any storage. The fallbacks are for machines without
    # rights to the firewall, or whose file system cannot be stacked.
    local how
    for how in "" "--iptables=false --bridge=none" "--iptables=false --bridge=none --storage-driver=vfs"; do
        # shellcheck disable=SC2086 # several options
        PATH=$PATH:/usr/sbin:/sbin setsid nohup dockerd $how >"$LOG" 2>&1 </dev/null &
        if wait_for_engine 30 $!; then
            say "started dockerd $how"
            return 0
        fi
        kill "$!" 2>/dev/null
        sleep 1
    done
    say "dockerd does not start: $(tail -n 1 "$LOG" 2>/dev/null)"
    return 1
}

build_images() {
    local image have missing=() builder=()
    have=$(timeout 20 docker images --format '{{.Repository}}:{{.Tag}}')
    for image in "${IMAGES[@]}"; do
        grep -qxF "${image//+/-}" <<<"$have" || missing+=("$image")
    done
    if ((${#missing[@]} == 0)); then return; fi
    read -ra builder <<<"${BUILDER:-}"
    if ((${#builder[@]} == 0)); then
        # The environment that `make test` uses: made here if it has to be, and found there afterwards.
        local stamp
        stamp=$(make -s -p -n check 2>/dev/null | sed -n 's/^TEST_STAMP := //p' | tail -n 1)
        if [[ -n $stamp ]]; then timeout 900 make -s "$stamp" >/dev/null || say "make $stamp failed"; fi
        if [[ -x ${VENV:-.venv}/bin/pyassay ]]; then builder=("${VENV:-.venv}/bin/pyassay" images build); fi
    fi
    if ((${#builder[@]} == 0)); then
        say "no pyassay to build images with"
        return
    fi
    for image in "${missing[@]}"; do
        local since=$SECONDS
        if timeout 300 "${builder[@]}" "$image" >/dev/null; then
            say "built $image: $((SECONDS - since)) s"
        else
            say "could not build $image: $((SECONDS - since)) s"
        fi
    done
}

SECONDS=0
install_packages
say "packages: $SECONDS s"
if start_engine; then
    say "engine answers: $SECONDS s"
    build_images
fi
say "done: $SECONDS s"
exit 0
