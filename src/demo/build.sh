#!/bin/sh
# Builds the program that `emu --demo` carries. Debian's gcc-aarch64-linux-gnu made the one in the repository.
cd "$(dirname "$0")" || exit
aarch64-linux-gnu-gcc -std=c11 -Wall -Wextra -O2 -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-math-errno -mno-outline-atomics -nostdlib -static -no-pie -s \
    -Wl,--build-id=none,-z,max-page-size=4096,-z,noseparate-code -o demo.aarch64 demo.c
