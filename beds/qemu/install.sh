#!/bin/sh
# Puts qemu-aarch64-static into the folder given: the machine's own if it has one, else from Debian's package, of which
# nothing is installed. It is static, so that one file is all there is to it.
set -eu
target=$1
program=qemu-aarch64-static
package=qemu-user-static
mkdir -p "$target"
if found=$(command -v "$program"); then
    cp "$found" "$target/$program"
    exit
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "$program is not installed, and there is no apt-get to fetch it with: install $package" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# A new machine has no lists of packages, and only root can fetch them.
if ! apt-get download "$package" && ! { apt-get update && apt-get download "$package"; }; then
    echo "$package cannot be fetched: as root, run apt-get update, or install it" >&2
    exit 1
fi
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x --strip-components=3 -C "$target" "./usr/bin/$program"
