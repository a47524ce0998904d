// The arm64 vDSO: the functions that libraries look for in it. They are system calls, which is what they promise to do;
// emu answers those for the clock without entering the host's kernel.

    .text

    .macro  call name, number
    .global \name
    .type   \name, %function
    .balign 16
\name:
    .cfi_startproc
    mov     x8, #\number
    svc     #0
    ret
    .cfi_endproc
    .size   \name, . - \name
    .endm

    call    __kernel_clock_gettime, 113
    call    __kernel_clock_getres, 114
    call    __kernel_gettimeofday, 169

// Where signal handlers return to. Without CFI, as the kernel's is since Linux 5.8: unwinders that find none know these
// two instructions and take all registers from the signal's frame, of which CFI could only tell a part. The nop is
// for those that look up the address before a return address.
    .balign 16
    nop
    .global __kernel_rt_sigreturn
    .type   __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
    mov     x8, #139
    svc     #0
    .size   __kernel_rt_sigreturn, . - __kernel_rt_sigreturn

    .section .note.GNU-stack, "", %progbits
