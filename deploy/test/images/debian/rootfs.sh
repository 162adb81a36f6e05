#!/bin/bash
# rootfs.sh RELEASE CERTIFICATES: writes Debian's smallest system, with this file of certificates, as a
# tar archive to standard output. Needs root.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata "$1" "$root" >&2
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*
cp "$2" "$root/etc/ssl/certs/ca-certificates.crt"
tar -C "$root" -c .
