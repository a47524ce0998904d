//! What the loader asks the host about this process: who runs it, and random bytes.
//!
//! Unsafe because these are C functions; none of them takes a pointer that outlives the call.
#![allow(unsafe_code)]

/// Who runs the program, as the kernel says in the auxiliary vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// AT_SECURE: the program gained rights when it was started, and must not trust its environment.
    pub secure: bool,
    /// Clock ticks a second, as in times(2).
    pub clock_ticks: u64,
}

impl Identity {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        // SAFETY: these only read what the kernel passed to or keeps about this process.
        unsafe {
            Self {
                uid: libc::getuid(),
                euid: libc::geteuid(),
                gid: libc::getgid(),
                egid: libc::getegid(),
                secure: libc::getauxval(libc::AT_SECURE) != 0,
                clock_ticks: libc::getauxval(libc::AT_CLKTCK),
            }
        }
    }
}

/// What is chosen at random for a new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Randomness {
    /// The 16 bytes that AT_RANDOM points to.
    pub at_random: [u8; 16],
    /// Where things are put; `None` puts them at fixed places (personality ADDR_NO_RANDOMIZE).
    pub layout: Option<u64>,
}

impl Randomness {
    /// Fresh from the kernel. `fixed`: things are put at fixed places all the same.
    #[must_use]
    pub fn of_the_kernel(fixed: bool) -> Self {
        let mut bytes = [0_u8; 24];
        let mut filled = 0;
        while filled < bytes.len() {
            let rest = &mut bytes[filled..];
            // SAFETY: writes at most `rest.len()` bytes to `rest`.
            let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), libc::GRND_INSECURE) };
            // Kernels before 5.6 do not know GRND_INSECURE; what std seeds its hash maps with does as well.
            let Ok(got) = usize::try_from(got) else { return Self::of_std(fixed) };
            filled += got;
        }
        Self::from_bytes(bytes, fixed)
    }

    /// Makes AT_RANDOM the same for the same `seed` (splitmix64); addresses stay as they are.
    pub fn seed(&mut self, seed: u64) {
        for (index, part) in self.at_random.chunks_mut(8).enumerate() {
            part.copy_from_slice(&ir::splitmix64(seed, index as u64).to_le_bytes());
        }
    }

    fn of_std(fixed: bool) -> Self {
        use std::hash::{BuildHasher, RandomState};
        let mut bytes = [0; 24];
        for (index, part) in bytes.chunks_mut(8).enumerate() {
            part.copy_from_slice(&RandomState::new().hash_one(index).to_le_bytes());
        }
        Self::from_bytes(bytes, fixed)
    }

    fn from_bytes(bytes: [u8; 24], fixed: bool) -> Self {
        let mut at_random = [0; 16];
        at_random.copy_from_slice(&bytes[..16]);
        let mut layout = [0; 8];
        layout.copy_from_slice(&bytes[16..]);
        Self { at_random, layout: (!fixed).then(|| u64::from_le_bytes(layout)) }
    }
}
