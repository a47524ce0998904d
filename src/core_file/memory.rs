//! Which of the guest's memory goes into a core file, by the kernel's rules (core(5), coredump_filter), and which files
//! are mapped there. What the host's kernel says of its mappings is joined with what the guest has. It must not know
//! the file's format.

use ir::{GuestAddr, GuestRange, PAGE_BYTES, Prot};
use syscalls::Mapped;

/// Bits of coredump_filter.
const ANONYMOUS_PRIVATE: u64 = 1;
const ANONYMOUS_SHARED: u64 = 1 << 1;
const MAPPED_PRIVATE: u64 = 1 << 2;
const MAPPED_SHARED: u64 = 1 << 3;
const ELF_HEADERS: u64 = 1 << 4;
const HUGETLB_PRIVATE: u64 = 1 << 5;
const HUGETLB_SHARED: u64 = 1 << 6;
/// What it is unless it has been set.
pub const DEFAULT_FILTER: u64 = ANONYMOUS_PRIVATE | ANONYMOUS_SHARED | ELF_HEADERS | HUGETLB_PRIVATE;

/// A mapping of the host's, as /proc/PID/smaps shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct HostMapping {
    range: GuestRange,
    is_shared: bool,
    offset: u64,
    /// Empty if no file is mapped.
    path: String,
    /// It has pages of its own: it has been written to.
    is_written: bool,
    is_huge: bool,
    /// MADV_DONTDUMP, or memory of a device.
    is_kept_out: bool,
}

/// A piece of memory that a core file tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where.
    pub range: GuestRange,
    /// What the guest may do there.
    pub prot: Prot,
    /// How much of it is in the file.
    pub dumped_bytes: u64,
    /// Pages that were never touched are zero, and need not be read.
    pub is_sparse: bool,
    /// The file that is mapped, and from where.
    pub file: Option<(String, u64)>,
}

/// The guest's memory: `mapped` is what the guest has, `smaps` and `filter` are the kernel's files of those names.
pub fn segments(mapped: &[Mapped], smaps: &str, filter: u64) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut pieces = mapped.iter().peekable();
    for host in parse(smaps) {
        while let Some(piece) = pieces.peek() {
            let start = piece.range.start.max(host.range.start);
            let end = piece.range.end.min(host.range.end);
            if start < end {
                segments.push(segment(&host, GuestRange { start, end }, piece.prot, filter));
            }
            if piece.range.end > host.range.end {
                break;
            }
            pieces.next();
        }
    }
    segments
}

fn segment(host: &HostMapping, range: GuestRange, prot: Prot, filter: u64) -> Segment {
    let offset = host.offset.wrapping_add(range.start.0.wrapping_sub(host.range.start.0));
    let is_file = !host.path.is_empty();
    let is_whole = match () {
        () if host.is_kept_out => false,
        () if host.is_huge => filter & if host.is_shared { HUGETLB_SHARED } else { HUGETLB_PRIVATE } != 0,
        // A file without a name is memory by another name: shared anonymous memory, memfd, SysV segments.
        () if host.is_shared && host.path.ends_with(" (deleted)") => filter & ANONYMOUS_SHARED != 0,
        () if host.is_shared => filter & MAPPED_SHARED != 0,
        () => host.is_written && filter & ANONYMOUS_PRIVATE != 0 || is_file && filter & MAPPED_PRIVATE != 0,
    };
    // By its first page a debugger knows the file.
    let has_header = is_file
        && offset == 0
        && filter & ELF_HEADERS != 0
        && !host.is_shared
        && !host.is_kept_out
        && ir::memory::load_u32(range.start).is_ok_and(|word| word.to_le_bytes() == *b"\x7fELF");
    let dumped_bytes = match () {
        () if is_whole => range.bytes(),
        () if has_header => PAGE_BYTES,
        () => 0,
    };
    let file = is_file.then(|| (host.path.clone(), offset));
    Segment { range, prot, dumped_bytes, is_sparse: !is_file && !host.is_huge, file }
}

/// Reads /proc/PID/smaps.
fn parse(smaps: &str) -> Vec<HostMapping> {
    let mut mappings: Vec<HostMapping> = Vec::new();
    for line in smaps.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Some(key) = word.strip_suffix(':') else {
            mappings.extend(head(word, rest));
            continue;
        };
        let Some(last) = mappings.last_mut() else { continue };
        let value = rest.trim();
        match key {
            "Anonymous" | "Swap" => last.is_written |= !value.starts_with("0 "),
            "VmFlags" => {
                let has = |flag| value.split(' ').any(|word| word == flag);
                last.is_huge = has("ht");
                last.is_kept_out = has("dd") || has("io");
            }
            _ => {}
        }
    }
    mappings
}

/// The first line of a mapping: addresses, permissions, offset, device, inode, path.
fn head(addresses: &str, rest: &str) -> Option<HostMapping> {
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = addresses.split_once('-')?;
    let mut fields = rest.splitn(4, ' ');
    let (permissions, offset) = (fields.next()?, fields.next()?);
    let (_device, rest) = (fields.next()?, fields.next()?);
    let path = rest.split_once(' ').map_or("", |(_inode, path)| path.trim_start());
    Some(HostMapping {
        range: GuestRange { start: GuestAddr(hexadecimal(start)?), end: GuestAddr(hexadecimal(end)?) },
        is_shared: permissions.ends_with('s'),
        offset: hexadecimal(offset)?,
        // What is no path is the kernel's name of a kind of memory.
        path: if path.starts_with('/') { path.replace("\\012", "\n") } else { String::new() },
        is_written: false,
        is_huge: false,
        is_kept_out: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
00400000-00402000 r--p 00000000 08:01 12                 /bin/a program
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd
00402000-00404000 rw-p 00002000 08:01 12                 /bin/a program
Anonymous:             4 kB
VmFlags: rd wr mr mw me ac sd
00500000-00504000 rw-p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  8 kB
VmFlags: rd wr mr mw me ac sd
00600000-00601000 rw-s 00000000 00:01 7                  /dev/zero (deleted)
Anonymous:             0 kB
VmFlags: rd wr sh mr mw me ms sd
00700000-00701000 rw-p 00000000 00:00 0                  [heap]
Anonymous:             4 kB
VmFlags: rd wr dd
00800000-00801000 rw-p 00000000 00:00 0
Anonymous:             4 kB
VmFlags: rd wr
";

    fn pages(start: u64, end: u64) -> GuestRange {
        GuestRange { start: GuestAddr(start << 12), end: GuestAddr(end << 12) }
    }

    #[test]
    fn what_was_written_is_dumped_and_nothing_of_emus() {
        let rw = Prot::READ.union(Prot::WRITE);
        let guest = [
            // Of the program without its first page, which this test has not.
            Mapped { range: pages(0x401, 0x402), prot: Prot::READ },
            Mapped { range: pages(0x402, 0x403), prot: rw },
            Mapped { range: pages(0x403, 0x404), prot: Prot::READ },
            Mapped { range: pages(0x500, 0x504), prot: rw },
            Mapped { range: pages(0x600, 0x601), prot: rw },
            Mapped { range: pages(0x700, 0x701), prot: rw },
        ];
        let found = segments(&guest, SMAPS, DEFAULT_FILTER);
        let sizes: Vec<_> = found.iter().map(|one| (one.range.start.0 >> 12, one.dumped_bytes >> 12)).collect();
        assert_eq!(sizes, [(0x401, 0), (0x402, 1), (0x403, 1), (0x500, 4), (0x600, 1), (0x700, 0)]);
        assert_eq!(found[0].file, Some(("/bin/a program".to_owned(), 0x1000)));
        assert_eq!(found[2].file, Some(("/bin/a program".to_owned(), 0x3000)));
        assert_eq!((found[2].prot, found[2].is_sparse, found[3].is_sparse), (Prot::READ, false, true));
        let nothing = segments(&guest, SMAPS, 0);
        assert!(nothing.iter().all(|one| one.dumped_bytes == 0) && nothing.len() == found.len());
    }

    #[test]
    fn odd_lines_are_no_mappings() {
        assert_eq!(parse("zz-10 rw-p 0 0 0\n\nx\nAnonymous: 4 kB\n10-20"), []);
    }
}
