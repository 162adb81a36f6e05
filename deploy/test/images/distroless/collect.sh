#!/bin/bash
# collect.sh PACKAGE…: copies the packages' files to /distroless, without their documentation.
set -euo pipefail
to=/distroless
mkdir -p $to/usr/{bin,sbin,lib,lib64} $to/{etc/ssl/certs,tmp,root,run,var/tmp,dev,proc,sys,home/nonroot}
for dir in bin sbin lib lib64; do ln -s usr/$dir $to/$dir; done

dpkg -L "$@" | sort -u | grep -vE '^/usr/share/(doc|man|lintian|ca-certificates)' |
  while read -r file; do
    if [ -f "$file" ] || [ -L "$file" ]; then echo ".$file"; fi
  done | grep -vxE '\./(bin|sbin|lib|lib64)' |
  tar --directory / --create --no-recursion --files-from - |
  tar --directory $to --keep-directory-symlink --extract

cp /etc/ssl/certs/ca-certificates.crt $to/etc/ssl/certs/
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >$to/etc/passwd
printf 'root:x:0:\nnonroot:x:65532:\n' >$to/etc/group
chmod 1777 $to/tmp $to/var/tmp
chown 65532:65532 $to/home/nonroot
