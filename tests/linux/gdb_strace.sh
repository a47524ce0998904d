# gdb and strace: they say that they cannot trace and end, or they can.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
status=0; timeout 60 strace -f true > out 2>&1 || status=$?; [ $status != 124 ]; [ $status = 0 ] || grep -q -i "not implemented\|not permitted\|ptrace" out
printf 'int main(void) { return 3; }\n' > t.c; gcc -g t.c -o t; status=0; timeout 120 gdb -batch -nx -ex 'info line main' -ex 'disassemble main' t > out 2>&1 || status=$?; [ $status = 0 ]; grep -q 'Dump of assembler' out
status=0; timeout 120 gdb -batch -nx -ex run -ex 'print $_exitcode' t > out 2>&1 < /dev/null || status=$?; [ $status != 124 ]; [ -s out ]
echo ok
