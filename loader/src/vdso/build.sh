#!/bin/sh
# Builds the vDSO that the loader maps. Debian's gcc-aarch64-linux-gnu made the one in the repository.
cd "$(dirname "$0")" || exit
aarch64-linux-gnu-gcc -nostdlib -shared -s -Wl,-soname=linux-vdso.so.1,--hash-style=both,--build-id=sha1,-Bsymbolic \
    -Wl,--eh-frame-hdr,-z,max-page-size=4096,-z,noexecstack,-T,vdso.lds -o "${1:-vdso.aarch64}" vdso.S
