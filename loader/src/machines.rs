//! Names of ELF machine numbers, for messages.

/// What people call the machine with this number.
pub(crate) fn machine_name(machine: u16) -> String {
    let name = match machine {
        2 | 18 | 43 => "SPARC",
        3 => "i386",
        4 => "Motorola 68000",
        8 => "MIPS",
        15 => "PA-RISC",
        20 => "32-bit PowerPC",
        21 => "64-bit PowerPC",
        22 => "IBM Z",
        40 => "32-bit Arm",
        42 => "SuperH",
        50 => "Itanium",
        62 => "x86-64",
        93 => "ARC",
        94 => "Xtensa",
        164 => "Hexagon",
        183 => "AArch64",
        189 => "MicroBlaze",
        224 => "AMD GPU",
        243 => "RISC-V",
        247 => "BPF",
        258 => "LoongArch",
        0x9026 => "Alpha",
        _ => return format!("machine number {machine}"),
    };
    name.to_owned()
}
