use super::*;

const RBX: Gpr = Gpr(3);
const RSI: Gpr = Gpr(6);
const R9: Gpr = Gpr(9);
const R10: Gpr = Gpr(10);

const R12: Gpr = Gpr(12);
const R13: Gpr = Gpr(13);

fn bytes(write: impl FnOnce(&mut Asm)) -> Vec<u8> {
    let mut asm = Asm::default();
    write(&mut asm);
    asm.finish();
    asm.code
}

macro_rules! encodings {
    ($($text:literal: |$a:ident| $what:expr, [$($byte:literal),*];)*) => {
        $(assert_eq!(bytes(|$a| $what), [$($byte),*], $text);)*
    };
}

/// What binutils' `as` (2.40) makes of the same text; of two forms that differ in direction only, the loading.
#[test]
fn encodings_are_those_of_the_gnu_assembler() {
    encodings! {
        "mov rax, r9": |a| a.mov(true, RAX, R9), [0x49, 0x8b, 0xc1];
        "mov r9d, eax": |a| a.mov(false, R9, RAX), [0x44, 0x8b, 0xc8];
        "mov rcx, [r15+0x1f8]": |a| a.mov(true, RCX, Mem::Base(R15, 0x1f8)), [0x49, 0x8b, 0x8f, 0xf8, 0x01, 0x00, 0x00];
        "mov rcx, [r13]": |a| a.mov(true, RCX, Mem::Base(R13, 0)), [0x49, 0x8b, 0x4d, 0x00];
        "mov rcx, [r12]": |a| a.mov(true, RCX, Mem::Base(R12, 0)), [0x49, 0x8b, 0x0c, 0x24];
        "mov rcx, [rsp+8]": |a| a.mov(true, RCX, Mem::Base(RSP, 8)), [0x48, 0x8b, 0x4c, 0x24, 0x08];
        "mov ecx, [r12+r13*8-1]": |a| a.mov(false, RCX, Mem::Index(Some(R12), R13, 3, -1)), [0x43, 0x8b, 0x4c, 0xec, 0xff];
        "mov ecx, [r13+r9]": |a| a.mov(false, RCX, Mem::Index(Some(R13), R9, 0, 0)), [0x43, 0x8b, 0x4c, 0x0d, 0x00];
        "mov ecx, [r9*4+0]": |a| a.mov(false, RCX, Mem::Index(None, R9, 2, 0)), [0x42, 0x8b, 0x0c, 0x8d, 0x00, 0x00, 0x00, 0x00];
        "mov eax, ds:-8": |a| a.mov(false, RAX, Mem::Fixed(-8)), [0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff];
        "mov eax, 5": |a| a.mov_imm(RAX, 5), [0xb8, 0x05, 0x00, 0x00, 0x00];
        "mov r9d, 0xffffffff": |a| a.mov_imm(R9, 0xffff_ffff), [0x41, 0xb9, 0xff, 0xff, 0xff, 0xff];
        "mov r9, -2": |a| a.mov_imm(R9, u64::MAX - 1), [0x49, 0xc7, 0xc1, 0xfe, 0xff, 0xff, 0xff];
        "movabs r9, 0x123456789abcdef0": |a| a.mov_imm(R9, 0x1234_5678_9abc_def0), [0x49, 0xb9, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12];
        "mov [r9], dil": |a| a.store(1, Mem::Base(R9, 0), RDI), [0x41, 0x88, 0x39];
        "mov [rbx], r9w": |a| a.store(2, Mem::Base(RBX, 0), R9), [0x66, 0x44, 0x89, 0x0b];
        "mov [rbx+4], r9d": |a| a.store(4, Mem::Base(RBX, 4), R9), [0x44, 0x89, 0x4b, 0x04];
        "mov [rbx+4], r9": |a| a.store(8, Mem::Base(RBX, 4), R9), [0x4c, 0x89, 0x4b, 0x04];
        "mov byte ptr [r9], 7": |a| a.store_imm(1, Mem::Base(R9, 0), 7), [0x41, 0xc6, 0x01, 0x07];
        "mov word ptr [r9], -1": |a| a.store_imm(2, Mem::Base(R9, 0), -1), [0x66, 0x41, 0xc7, 0x01, 0xff, 0xff];
        "mov dword ptr [r9], 7": |a| a.store_imm(4, Mem::Base(R9, 0), 7), [0x41, 0xc7, 0x01, 0x07, 0x00, 0x00, 0x00];
        "mov qword ptr [r9], -1": |a| a.store_imm(8, Mem::Base(R9, 0), -1), [0x49, 0xc7, 0x01, 0xff, 0xff, 0xff, 0xff];
        "sbb r9, r10": |a| a.alu(Alu::Sbb, true, R9, R10), [0x4d, 0x1b, 0xca];
        "cmp r9d, [r15+8]": |a| a.alu(Alu::Cmp, false, R9, Mem::Base(R15, 8)), [0x45, 0x3b, 0x4f, 0x08];
        "xor r9, 0x100": |a| a.alu_imm(Alu::Xor, true, R9, 0x100), [0x49, 0x81, 0xf1, 0x00, 0x01, 0x00, 0x00];
        "and rcx, -64": |a| a.alu_imm(Alu::And, true, RCX, -64), [0x48, 0x83, 0xe1, 0xc0];
        "sub dword ptr [rax+0x10], 1": |a| a.alu_imm(Alu::Sub, false, Mem::Base(RAX, 0x10), 1), [0x83, 0x68, 0x10, 0x01];
        "cmp sil, dil": |a| a.cmp_sized(1, RSI, RDI), [0x40, 0x3a, 0xf7];
        "cmp cx, r9w": |a| a.cmp_sized(2, RCX, R9), [0x66, 0x41, 0x3b, 0xc9];
        "test r9, rcx": |a| a.test(true, R9, RCX), [0x49, 0x85, 0xc9];
        "test r9d, 0x80": |a| a.test_imm(false, R9, 0x80), [0x41, 0xf7, 0xc1, 0x80, 0x00, 0x00, 0x00];
        "lea r9, [rbx-0x80]": |a| a.lea(true, R9, Mem::Base(RBX, -0x80)), [0x4c, 0x8d, 0x4b, 0x80];
        "lea r9d, [rbx+0x80]": |a| a.lea(false, R9, Mem::Base(RBX, 0x80)), [0x44, 0x8d, 0x8b, 0x80, 0x00, 0x00, 0x00];
        "shl r9, 3": |a| a.shift_imm(Shift::Shl, true, R9, 3), [0x49, 0xc1, 0xe1, 0x03];
        "ror r9d, 16": |a| a.shift_imm(Shift::Ror, false, R9, 16), [0x41, 0xc1, 0xc9, 0x10];
        "sar r9, cl": |a| a.shift_cl(Shift::Sar, true, R9), [0x49, 0xd3, 0xf9];
        "not r9": |a| a.unary(2, true, R9), [0x49, 0xf7, 0xd1];
        "idiv r9d": |a| a.unary(7, false, R9), [0x41, 0xf7, 0xf9];
        "imul r9, rcx": |a| a.imul(true, R9, RCX), [0x4c, 0x0f, 0xaf, 0xc9];
        "imul r9d, ecx, 1000": |a| a.imul_imm(false, R9, RCX, 1000), [0x44, 0x69, 0xc9, 0xe8, 0x03, 0x00, 0x00];
        "bswap r9": |a| a.bswap(true, R9), [0x49, 0x0f, 0xc9];
        "bswap eax": |a| a.bswap(false, RAX), [0x0f, 0xc8];
        "movzx eax, sil": |a| a.load_zero(1, RAX, RSI), [0x40, 0x0f, 0xb6, 0xc6];
        "movzx r9d, word ptr [rax]": |a| a.load_zero(2, R9, Mem::Base(RAX, 0)), [0x44, 0x0f, 0xb7, 0x08];
        "movsx rax, byte ptr [r9]": |a| a.load_sign(1, true, RAX, Mem::Base(R9, 0)), [0x49, 0x0f, 0xbe, 0x01];
        "movsx eax, r9w": |a| a.load_sign(2, false, RAX, R9), [0x41, 0x0f, 0xbf, 0xc1];
        "movsxd r9, eax": |a| a.load_sign(4, true, R9, RAX), [0x4c, 0x63, 0xc8];
        "cmovle r9, rax": |a| a.cmov(Cc::Le, R9, RAX), [0x4c, 0x0f, 0x4e, 0xc8];
        "seto al": |a| a.setcc(Cc::O, RAX), [0x0f, 0x90, 0xc0];
        "setae r9b": |a| a.setcc(Cc::Ae, R9), [0x41, 0x0f, 0x93, 0xc1];
        "bt r9, 63": |a| a.bt(true, R9, 63), [0x49, 0x0f, 0xba, 0xe1, 0x3f];
        "push r8": |a| a.push(R8), [0x41, 0x50];
        "pop rcx": |a| a.pop(RCX), [0x59];
        "xchg [rdx], cl": |a| a.xchg(1, RCX, Mem::Base(RDX, 0)), [0x86, 0x0a];
        "lock xadd [rdx], rax": |a| a.locked(0xc0, 8, Mem::Base(RDX, 0), RAX), [0xf0, 0x48, 0x0f, 0xc1, 0x02];
        "lock cmpxchg [rdx], cx": |a| a.locked(0xb0, 2, Mem::Base(RDX, 0), RCX), [0x66, 0xf0, 0x0f, 0xb1, 0x0a];
        "lock cmpxchg [rdx], sil": |a| a.locked(0xb0, 1, Mem::Base(RDX, 0), RSI), [0xf0, 0x40, 0x0f, 0xb0, 0x32];
        "jmp [rax+rcx+8]": |a| a.jmp_mem(Mem::Index(Some(RAX), RCX, 0, 8)), [0xff, 0x64, 0x08, 0x08];
        "call [rax+0x100]": |a| a.call_mem(Mem::Base(RAX, 0x100)), [0xff, 0x90, 0x00, 0x01, 0x00, 0x00];
        "lzcnt r9, rcx": |a| a.legacy(Op(0xf3, MAP_0F, 0xbd), true, R9.0, RCX.into(), false), [0xf3, 0x4c, 0x0f, 0xbd, 0xc9];
        "shrd r9, rcx, 5": |a| { a.legacy(Op(0, MAP_0F, 0xac), true, RCX.0, R9.into(), false); a.raw(&[5]); }, [0x49, 0x0f, 0xac, 0xc9, 0x05];
        "movaps xmm9, [r15+0x120]": |a| a.legacy(Op(0, MAP_0F, 0x28), false, 9, Mem::Base(R15, 0x120).into(), false), [0x45, 0x0f, 0x28, 0x8f, 0x20, 0x01, 0x00, 0x00];
        "pshufb xmm1, xmm12": |a| a.legacy(Op(0x66, MAP_38, 0x00), false, 1, Rm::R(12), false), [0x66, 0x41, 0x0f, 0x38, 0x00, 0xcc];
        "vpaddd xmm1, xmm2, xmm3": |a| a.vex(Op(0x66, MAP_0F, 0xfe), false, 1, 2, Rm::R(3)), [0xc5, 0xe9, 0xfe, 0xcb];
        "vpaddd xmm9, xmm10, xmm3": |a| a.vex(Op(0x66, MAP_0F, 0xfe), false, 9, 10, Rm::R(3)), [0xc5, 0x29, 0xfe, 0xcb];
        "vmulsd xmm9, xmm10, xmm11": |a| a.vex(Op(0xf2, MAP_0F, 0x59), false, 9, 10, Rm::R(11)), [0xc4, 0x41, 0x2b, 0x59, 0xcb];
        "vmovups xmm9, [rax+r9*4]": |a| a.vex(Op(0, MAP_0F, 0x10), false, 9, 0, Mem::Index(Some(RAX), R9, 2, 0).into()), [0xc4, 0x21, 0x78, 0x10, 0x0c, 0x88];
        "vfmadd231sd xmm1, xmm2, xmm9": |a| a.vex(Op(0x66, MAP_38, 0xb9), true, 1, 2, Rm::R(9)), [0xc4, 0xc2, 0xe9, 0xb9, 0xc9];
        "vcvttsd2si r9, xmm2": |a| a.vex(Op(0xf2, MAP_0F, 0x2c), true, 9, 0, Rm::R(2)), [0xc4, 0x61, 0xfb, 0x2c, 0xca];
        "shlx r9, rax, rcx": |a| a.vex(Op(0x66, MAP_38, 0xf7), true, 9, 1, RAX.into()), [0xc4, 0x62, 0xf1, 0xf7, 0xc8];
        "andn r9d, ecx, eax": |a| a.vex(Op(0, MAP_38, 0xf2), false, 9, 1, RAX.into()), [0xc4, 0x62, 0x70, 0xf2, 0xc8];
        "vpsrldq xmm1, xmm9, 8": |a| { a.vex(Op(0x66, MAP_0F, 0x73), false, 3, 1, Rm::R(9)); a.raw(&[8]); }, [0xc4, 0xc1, 0x71, 0x73, 0xd9, 0x08];
    }
}

#[test]
fn labels_resolve_both_ways() {
    // as: `0: jne 1f; jmp 0b; 1: jo 2f; 2:` with the long forms of the first two.
    let code = bytes(|a| {
        let (back, on, end) = (a.label(), a.label(), a.label());
        a.bind(back);
        a.jcc(Cc::Ne, on);
        a.jmp(back);
        a.bind(on);
        a.jcc_short(Cc::O, end);
        a.bind(end);
    });
    assert_eq!(code, [0x0f, 0x85, 5, 0, 0, 0, 0xe9, 0xf5, 0xff, 0xff, 0xff, 0x70, 0]);
}

#[test]
fn distances_in_the_code_cache_count_from_the_next_instruction() {
    let mut asm = Asm::default();
    asm.alu_imm(Alu::Sub, false, Mem::Cache(0x1000), 1);
    asm.jcc_cache(Cc::E, 0x10);
    asm.finish();
    assert_eq!(asm.settle(0x100), [0x83, 0x2d, 0xf9, 0x0e, 0, 0, 1, 0x0f, 0x84, 3, 0xff, 0xff, 0xff]);
}

#[test]
fn constants_stand_behind_the_code_once() {
    let code = bytes(|a| {
        for value in [1, 1] {
            let constant = a.constant(value);
            // movaps xmm0, [rip + ...]
            a.legacy(Op(0, MAP_0F, 0x28), false, 0, constant.into(), false);
        }
    });
    assert_eq!(code[..14], [0x0f, 0x28, 5, 9, 0, 0, 0, 0x0f, 0x28, 5, 2, 0, 0, 0]);
    assert_eq!(code[16..], 1u128.to_le_bytes());
}
