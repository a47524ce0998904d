//! Loads a program: its image, the loader it names, and its stack.

use crate::error::describe;
use crate::file::open_interpreter;
use crate::image::{Image, page_up};
use crate::map::{Place, map_image};
use crate::stack::{self, Content, ImageInfo};
use crate::vdso;
use crate::{Identity, Kind, LoadError, MachineInfo, ProgramFile, Randomness, StackStrings};
use ir::{GuestAddr, GuestMemory, GuestRange, Layout, PAGE_BYTES, Prot, Sysroot};
use std::path::{Path, PathBuf};

/// The heap begins up to this far after the program.
const BRK_SPREAD_PAGES: u64 = 1 << 13;
/// The stack's tables begin up to this far below its strings.
const STACK_SPREAD_BYTES: u64 = 8192;

/// A directory where distributions put the arm64 loader for cross compilers; named in a message if it is there.
const USUAL_SYSROOT: &str = "/usr/aarch64-linux-gnu";

/// What to load, and what the program is told.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The program, known to be [`Kind::Guest`].
    pub file: &'a ProgramFile,
    /// Arguments and environment.
    pub strings: &'a StackStrings,
    /// Where the loader that the program names is looked for first.
    pub sysroot: Option<&'a dyn Sysroot>,
    /// Where things go.
    pub layout: Layout,
    /// For the auxiliary vector.
    pub machine: &'a MachineInfo,
    /// For the auxiliary vector.
    pub identity: Identity,
    /// For AT_RANDOM and the choice of addresses.
    pub randomness: Randomness,
}

/// A program or loader in memory.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The host's path of the file.
    pub path: PathBuf,
    /// Memory address less the file's address.
    pub bias: u64,
    /// From the first to the last page of any segment.
    pub range: GuestRange,
    /// Entry point in memory.
    pub entry: GuestAddr,
    /// Program headers in memory; where the file's address 0 is if no segment holds them.
    pub phdr: GuestAddr,
    /// Number of program headers.
    pub phdr_count: u16,
    /// From the first to the last executable byte: start_code and end_code of proc(5).
    pub code: GuestRange,
    /// Likewise of the segments that come from the file and may be written: start_data and end_data.
    pub data: GuestRange,
}

/// A program ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// First instruction: the loader's entry if there is one, else the program's.
    pub entry: GuestAddr,
    /// Initial stack pointer.
    pub sp: GuestAddr,
    /// Where the heap begins; nothing is mapped there yet.
    pub brk_start: GuestAddr,
    /// The stack, without its guard.
    pub stack: GuestRange,
    /// `__kernel_rt_sigreturn` in the vDSO: where a signal handler returns to that names no place itself.
    pub sigreturn: GuestAddr,
    /// Whether the stack is executable.
    pub stack_is_executable: bool,
    /// The program.
    pub image: Loaded,
    /// The loader it names.
    pub interpreter: Option<Loaded>,
    /// The argument strings: /proc/self/cmdline.
    pub argv: GuestRange,
    /// The environment strings: /proc/self/environ.
    pub envp: GuestRange,
    /// The auxiliary vector with its AT_NULL: /proc/self/auxv.
    pub auxv: Vec<(u64, u64)>,
}

/// Finds out without loading whether [`load`] would refuse `file`, known to be [`Kind::Guest`], for what is in it or
/// for its loader.
pub fn check(file: &ProgramFile, sysroot: Option<&dyn Sysroot>) -> Result<(), LoadError> {
    let image = Image::read(file)?;
    let interpreter = find_interpreter(file, sysroot, &image)?;
    interpreter.as_ref().map(read_interpreter).transpose()?;
    Ok(())
}

/// Loads a program into the guest's memory. After an error the memory is in no useful state.
pub fn load(memory: &mut dyn GuestMemory, request: &Request<'_>) -> Result<Program, LoadError> {
    let Request { file, randomness, .. } = request;
    let image = Image::read(file)?;
    // Everything that can be found out beforehand is, so that errors come before anything is mapped.
    let interpreter_file = find_interpreter(file, request.sysroot, &image)?;
    let interpreter_image = interpreter_file.as_ref().map(read_interpreter).transpose()?;

    stack::check_strings(file.path(), request.layout.stack, request.strings)?;

    let random = randomness.layout.unwrap_or(0);
    let Layout { end, pie_base, .. } = request.layout;
    let stack = stack::map_stack(memory, request.layout.stack, image.executable_stack).map_err(|errno| {
        LoadError::new(file.path(), errno.0, format!("no memory for its stack: {}", describe(errno.0)))
    })?;
    let loaded = load_image(memory, file, &image, Place::Program(GuestAddr(pie_base)), end)?;
    let interpreter = match (&interpreter_file, &interpreter_image) {
        (Some(file), Some(image)) => {
            let place = Place::Interpreter { fixed_program: loaded.bias == 0 };
            Some(load_image(memory, file, image, place, end)?)
        }
        _ => None,
    };
    let entry = interpreter.as_ref().map_or(loaded.entry, |loaded| loaded.entry);
    if entry.0 >= end {
        let reason = format!("corrupt ELF header: entry point {entry} lies beyond the address space");
        return Err(LoadError::new(file.path(), libc::EINVAL, reason).after_the_old_program());
    }
    let vdso = vdso::map(memory).map_err(|errno| {
        LoadError::new(file.path(), errno.0, format!("no memory for the vDSO: {}", describe(errno.0)))
    })?;
    let filled = stack::fill(
        file.path(),
        stack,
        &Content {
            strings: request.strings,
            machine: request.machine,
            identity: request.identity,
            image: ImageInfo {
                phdr: loaded.phdr,
                phdr_count: loaded.phdr_count,
                interpreter_base: GuestAddr(interpreter.as_ref().map_or(0, |loaded| loaded.bias)),
                entry: loaded.entry,
                vdso: vdso.base,
            },
            at_random: randomness.at_random,
            shift_bytes: (random >> 40) % STACK_SPREAD_BYTES,
        },
    )?;
    Ok(Program {
        entry,
        sp: filled.sp,
        brk_start: loaded.range.end.offset(((random >> 24) % BRK_SPREAD_PAGES * PAGE_BYTES) as i64),
        stack: stack.range,
        sigreturn: vdso.sigreturn,
        stack_is_executable: image.executable_stack,
        image: loaded,
        interpreter,
        argv: filled.argv,
        envp: filled.envp,
        auxv: filled.auxv,
    })
}

fn load_image(
    memory: &mut dyn GuestMemory,
    file: &ProgramFile,
    image: &Image,
    place: Place,
    end: u64,
) -> Result<Loaded, LoadError> {
    let bias = map_image(memory, file, image, place, end)?;
    let at = |addr: u64| GuestAddr(addr.wrapping_add(bias));
    let extent = |prot: Prot| {
        let chosen = || image.segments.iter().filter(move |segment| segment.prot.contains(prot));
        let start = chosen().map(|segment| segment.vaddr).min().unwrap_or(0);
        let end = chosen().map(|segment| segment.file_end()).max().unwrap_or(0);
        GuestRange { start: at(start), end: at(end) }
    };
    Ok(Loaded {
        path: file.path().to_owned(),
        bias,
        range: GuestRange { start: at(image.start()), end: at(page_up(image.end())) },
        entry: at(image.entry),
        phdr: at(image.phdr_addr),
        phdr_count: image.phdr_count,
        code: extent(Prot::EXEC),
        data: extent(Prot::WRITE),
    })
}

fn find_interpreter(
    program: &ProgramFile,
    sysroot: Option<&dyn Sysroot>,
    image: &Image,
) -> Result<Option<ProgramFile>, LoadError> {
    let Some(name) = &image.interpreter else { return Ok(None) };
    if name.as_os_str().is_empty() {
        // To the kernel it is the current directory.
        let reason = "corrupt ELF file: the name of its loader (PT_INTERP) is empty";
        return Err(LoadError::new(program.path(), libc::EACCES, reason));
    }
    let inside = sysroot.and_then(|sysroot| sysroot.find(name));
    let path = inside.as_deref().unwrap_or(name);
    match open_interpreter(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.errno() == libc::ENOENT => Err(missing_interpreter(program, sysroot, name)),
        Err(error) => Err(error),
    }
}

fn missing_interpreter(program: &ProgramFile, sysroot: Option<&dyn Sysroot>, name: &Path) -> LoadError {
    let name_text = name.display();
    let reason = match sysroot {
        Some(sysroot) => {
            format!(
                "needs the loader {name_text}, which is neither under {} nor on this system",
                sysroot.root().display()
            )
        }
        None => {
            let usual = Path::new(USUAL_SYSROOT).join(name.strip_prefix("/").unwrap_or(name)).exists();
            let advice = if usual { format!(" (try -L {USUAL_SYSROOT})") } else { String::new() };
            format!(
                "needs the loader {name_text}, which is not on this system: say with -L where its system is{advice}"
            )
        }
    };
    LoadError::new(program.path(), libc::ENOENT, reason)
}

fn read_interpreter(file: &ProgramFile) -> Result<Image, LoadError> {
    let refuse = |reason: &str| Err(LoadError::new(file.path(), libc::ELIBBAD, reason));
    match file.kind().map_err(|error| error.with_errno(libc::ELIBBAD))? {
        Kind::Guest => Image::read_interpreter(file).map_err(|error| error.with_errno(libc::ELIBBAD)),
        Kind::Host(_) => refuse("is for this host, but named as loader by an AArch64 program"),
        Kind::Script(_) => refuse("is a script, but named as loader by a program"),
    }
}
