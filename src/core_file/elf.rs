//! The core file's ELF format: headers, notes, memory; and how it is written, up to a limit. It must not know where the
//! guest's memory comes from but for how it is read.

use super::memory::Segment;
use ir::{PAGE_BYTES, Prot};
use linux_raw_sys::elf_uapi::{self, EM_AARCH64, ET_CORE, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const SECTION_HEADER_BYTES: u64 = 64;
/// There are more program headers than `e_phnum` can say: `sh_info` of the one section header says it.
const PN_XNUM: u64 = elf_uapi::PN_XNUM as u64;
/// How much is read at a time.
const PIECE_BYTES: usize = 256 << 10;
const PAGE: usize = PAGE_BYTES as usize;

struct Fields(Vec<u8>);

impl Fields {
    /// Fields of so many bytes each.
    fn put(&mut self, bytes: usize, values: &[u64]) {
        for value in values {
            self.0.extend(&value.to_le_bytes()[..bytes]);
        }
    }
}

/// What comes before the memory, and the offset in the file of each segment's content, then the end.
fn head(segments: &[Segment], notes: &[u8]) -> (Vec<u8>, Vec<u64>) {
    let count = segments.len() as u64 + 1;
    let is_long = count >= PN_XNUM;
    let notes_at = HEADER_BYTES + PROGRAM_HEADER_BYTES * count;
    let mut offsets = vec![(notes_at + notes.len() as u64).next_multiple_of(PAGE_BYTES)];
    for segment in segments {
        offsets.push(offsets[offsets.len() - 1] + segment.dumped_bytes);
    }
    let end = offsets[offsets.len() - 1];

    let mut fields = Fields(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec());
    fields.put(2, &[ET_CORE.into(), EM_AARCH64.into()]);
    fields.put(4, &[1]);
    // Entry, program headers, section headers.
    fields.put(8, &[0, HEADER_BYTES, if is_long { end } else { 0 }]);
    fields.put(4, &[0]);
    let sections = if is_long { [SECTION_HEADER_BYTES, 1, 0] } else { [0; 3] };
    fields.put(2, &[HEADER_BYTES, PROGRAM_HEADER_BYTES, count.min(PN_XNUM)]);
    fields.put(2, &sections);

    fields.put(4, &[PT_NOTE.into(), 0]);
    fields.put(8, &[notes_at, 0, 0, notes.len() as u64, 0, 4]);
    for (segment, offset) in segments.iter().zip(&offsets) {
        let flag = |prot, flag| if segment.prot.contains(prot) { u64::from(flag) } else { 0 };
        fields.put(4, &[PT_LOAD.into(), flag(Prot::READ, PF_R) | flag(Prot::WRITE, PF_W) | flag(Prot::EXEC, PF_X)]);
        let Segment { range, dumped_bytes, .. } = segment;
        fields.put(8, &[*offset, range.start.0, 0, *dumped_bytes, range.bytes(), PAGE_BYTES]);
    }
    fields.0.extend(notes);
    (fields.0, offsets)
}

/// The section header of a file that needs one: all zero but for sh_size, sh_link and sh_info.
fn tail(segments: &[Segment]) -> Vec<u8> {
    let count = segments.len() as u64 + 1;
    let mut fields = Fields(Vec::new());
    if count >= PN_XNUM {
        fields.put(4, &[0, 0]);
        fields.put(8, &[0, 0, 0, 1]);
        fields.put(4, &[0, count]);
        fields.put(8, &[0, 0]);
    }
    fields.0
}

/// Writes into a file, but no more than so many bytes.
struct Writer<'a> {
    file: &'a File,
    left: u64,
}

impl Writer<'_> {
    /// FileTooLarge once the limit is reached.
    fn put(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let fitting = (bytes.len() as u64).min(self.left) as usize;
        self.file.write_all_at(&bytes[..fitting], at)?;
        self.left -= fitting as u64;
        if fitting < bytes.len() { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }

    /// Puts pages there, but for those that are zero: they become holes.
    fn put_pages(&mut self, pages: &[u8], at: u64) -> io::Result<()> {
        for (page, at) in pages.chunks(PAGE).zip((at..).step_by(PAGE)) {
            if page.iter().any(|&byte| byte != 0) {
                self.put(page, at)?;
            }
        }
        Ok(())
    }
}

/// Reads the guest's memory, whatever its protection.
pub trait Memory {
    /// Fills `to` with what is at `addr`, or fails if some of it cannot be read.
    fn read(&self, addr: u64, to: &mut [u8]) -> io::Result<()>;
    /// How many pages from `addr` on, at most `pages`, are there, and how many after them have never been touched.
    fn present(&self, addr: u64, pages: u64) -> (u64, u64);
}

/// Writes a core file of these segments, as far as `limit` allows.
pub fn write(file: &File, limit: u64, segments: &[Segment], notes: &[u8], memory: &dyn Memory) -> io::Result<()> {
    let (head, offsets) = head(segments, notes);
    let mut writer = Writer { file, left: limit };
    writer.put(&head, 0)?;
    for (segment, offset) in segments.iter().zip(&offsets) {
        write_segment(&mut writer, segment, *offset, memory)?;
    }
    let end = offsets[offsets.len() - 1];
    // What ends in a hole must have its length all the same.
    file.set_len(end)?;
    writer.put(&tail(segments), end)
}

fn write_segment(writer: &mut Writer<'_>, segment: &Segment, offset: u64, memory: &dyn Memory) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut done = 0;
    while done < segment.dumped_bytes {
        let addr = segment.range.start.0 + done;
        let pages = (segment.dumped_bytes - done) / PAGE_BYTES;
        let (present, absent) = if segment.is_sparse { memory.present(addr, pages) } else { (pages, 0) };
        let end = done + present * PAGE_BYTES;
        while done < end {
            let piece = &mut buffer[..(end - done).min(PIECE_BYTES as u64) as usize];
            let addr = segment.range.start.0 + done;
            if memory.read(addr, piece).is_err() {
                read_by_pages(memory, addr, piece);
            }
            writer.put_pages(piece, offset + done)?;
            done += piece.len() as u64;
        }
        done += absent * PAGE_BYTES;
    }
    Ok(())
}

/// Pages that cannot be read, such as those beyond the end of a file, are zero.
fn read_by_pages(memory: &dyn Memory, addr: u64, piece: &mut [u8]) {
    for (page, addr) in piece.chunks_mut(PAGE).zip((addr..).step_by(PAGE)) {
        if memory.read(addr, page).is_err() {
            page.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::{GuestAddr, GuestRange};

    struct Pattern;

    impl Memory for Pattern {
        fn read(&self, addr: u64, to: &mut [u8]) -> io::Result<()> {
            if addr == 0x3000 || addr < 0x3000 && addr + to.len() as u64 > 0x3000 {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            to.fill((addr >> 12) as u8);
            Ok(())
        }

        fn present(&self, _: u64, pages: u64) -> (u64, u64) {
            (1, pages - 1)
        }
    }

    fn segment(start: u64, pages: u64, dumped: u64, is_sparse: bool) -> Segment {
        let range = GuestRange { start: GuestAddr(start), end: GuestAddr(start + pages * PAGE_BYTES) };
        Segment { range, prot: Prot::READ, dumped_bytes: dumped * PAGE_BYTES, is_sparse, file: None }
    }

    fn written(limit: u64) -> (io::Result<()>, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("emu-core-{}-{limit}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        let segments = [segment(0x2000, 3, 3, false), segment(0x9000, 4, 2, true)];
        let result = write(&file, limit, &segments, &[7; 20], &Pattern);
        std::fs::remove_file(&path).unwrap();
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (result, bytes)
    }

    #[test]
    fn memory_stands_where_the_headers_say() {
        let (result, bytes) = written(u64::MAX);
        result.unwrap();
        assert_eq!(bytes.len(), 0x1000 * 6);
        assert_eq!((bytes[16], bytes[18], bytes[56]), (4, 183, 3));
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        // The notes, then p_offset and p_filesz of both segments.
        assert_eq!((word(64 + 8), word(64 + 32)), (64 + 3 * 56, 20));
        assert_eq!((word(120 + 8), word(120 + 32), word(176 + 8), word(176 + 32)), (0x1000, 0x3000, 0x4000, 0x2000));
        // A page that cannot be read, and one that was never touched, are zero.
        assert_eq!([1, 2, 3, 4, 5].map(|page| bytes[page * 0x1000]), [2, 0, 4, 9, 0]);
    }

    #[test]
    fn a_limit_cuts_the_file() {
        let (result, bytes) = written(0x800);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // The head is shorter than a page.
        assert_eq!(bytes.len(), 0x1000 + 0x800 - (64 + 3 * 56 + 20));
    }

    #[test]
    fn many_segments_are_counted_in_a_section() {
        let segments = vec![segment(0x2000, 1, 0, false); 0x10000];
        let (head, offsets) = head(&segments, &[]);
        assert_eq!(&head[56..58], [0xff, 0xff]);
        assert_eq!(head[40..48], offsets[0x10000].to_le_bytes());
        let tail = tail(&segments);
        assert_eq!((tail.len(), &tail[44..48]), (64, &0x10001u32.to_le_bytes()[..]));
    }
}
