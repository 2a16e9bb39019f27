#!/usr/bin/env bash
# Write the lock files: one set of versions for every platform and Python, with the public registry's hashes.
#
#   requirements/lock.sh UV [--upgrade]
#
# Settings of the machine (configuration files, UV_* and PIP_* variables) are left out of it: a private index or a
# folder of wheels would put hashes into the locks that nobody else can install.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$1
shift
settings=()
while IFS= read -r name; do settings+=(-u "$name"); done < <(compgen -e | grep -E '^(UV|PIP)_' || true)

compile() {
    env "${settings[@]}" UV_NO_CONFIG=1 "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --custom-compile-command "make lock" "$@"
}

# The environment of a report first; the others are that one and more.
compile pyproject.toml --group checkout --extra docker --extra quirks --extra sbom --output-file requirements/report.txt "$@"
for extra in test lab; do
    compile pyproject.toml --group checkout --extra docker --extra quirks --extra sbom --extra "$extra" \
        --constraint requirements/report.txt --output-file "requirements/$extra.txt" "$@"
done
