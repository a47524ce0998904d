//! Finds files in the sysroot, as a guest whose `/` it is would find them: symbolic links in it do not lead out of it. It
//! must not know which paths are looked for there.

use crate::descriptors::{number, own, path_of};
use crate::host;
use ir::Errno;
use linux_raw_sys::general::open_how;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const OPEN_PATH: u64 = (libc::O_PATH | libc::O_CLOEXEC) as u64;
/// As many symbolic links as Linux follows in one path.
const MAX_LINKS: u32 = 40;

/// Whether the last component's symbolic link is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// Followed.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// The directory that `-L` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysroot(CString);

impl ir::Sysroot for Sysroot {
    fn root(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }

    fn find(&self, path: &Path) -> Option<PathBuf> {
        let below_root = path.strip_prefix("/").ok()?;
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        let found = self.lookup(&path, Links::Follow);
        found.map(|found| OsString::from_vec(found.into_bytes()).into()).or_else(|| {
            // Links made with the host in mind, such as /usr/aarch64-linux-gnu/lib64 -> /usr/aarch64-linux-gnu/lib.
            let plain = self.root().join(below_root);
            plain.exists().then_some(plain)
        })
    }
}

impl Sysroot {
    /// `root` stands for `/`. `/` itself and the empty path are no sysroot.
    #[must_use]
    pub fn new(root: &Path) -> Option<Self> {
        let is_one = !root.as_os_str().is_empty() && root != Path::new("/");
        CString::new(root.as_os_str().as_bytes()).ok().filter(|_| is_one).map(Self)
    }

    /// The host's path for what the guest calls `path`, which is absolute, if it is here.
    pub(crate) fn lookup(&self, path: &CStr, links: Links) -> Option<CString> {
        // Without openat2(2), descriptors or /proc it can be found all the same.
        self.ask_kernel(path, links).unwrap_or_else(|_| self.walk(path, links))
    }

    /// The directory's path without symbolic links.
    pub(crate) fn real_root(&self) -> Option<CString> {
        path_of(number(&own(self.open_root().ok()?)))
    }

    fn open_root(&self) -> host::Outcome {
        host::call(libc::SYS_openat, [AT_FDCWD, self.0.as_ptr() as u64, OPEN_PATH, 0, 0, 0])
    }

    /// Has the kernel find it as if in a chroot.
    fn ask_kernel(&self, path: &CStr, links: Links) -> Result<Option<CString>, Errno> {
        let root = own(self.open_root()?);
        let nofollow = if links == Links::Keep { libc::O_NOFOLLOW as u64 } else { 0 };
        let how = open_how { flags: OPEN_PATH | nofollow, mode: 0, resolve: libc::RESOLVE_IN_ROOT };
        let how_bytes = size_of_val(&how) as u64;
        let args = [number(&root), path.as_ptr() as u64, &raw const how as u64, how_bytes, 0, 0];
        match host::call(libc::SYS_openat2, args).map(own) {
            Ok(found) => path_of(number(&found)).map(Some).ok_or(Errno(libc::ENOENT)),
            Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds it step by step.
    fn walk(&self, path: &CStr, links: Links) -> Option<CString> {
        let mut inside: Vec<OsString> = Vec::new();
        let mut pending = parts(Path::new(OsStr::from_bytes(path.to_bytes())));
        let mut followed = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                inside.pop();
                continue;
            }
            inside.push(part);
            let here = self.host_path(&inside);
            let is_link = std::fs::symlink_metadata(&here).ok()?.file_type().is_symlink();
            if is_link && (links == Links::Follow || !pending.is_empty()) {
                followed += 1;
                if followed > MAX_LINKS {
                    return None;
                }
                let target = std::fs::read_link(&here).ok()?;
                inside.pop();
                if target.is_absolute() {
                    inside.clear();
                }
                for part in parts(&target).into_iter().rev() {
                    pending.push_front(part);
                }
            }
        }
        CString::new(self.host_path(&inside).into_os_string().into_vec()).ok()
    }

    fn host_path(&self, inside: &[OsString]) -> PathBuf {
        let mut path = ir::Sysroot::root(self).to_owned();
        path.extend(inside);
        path
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use ir::Sysroot as _;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory with links, for `/`.
    fn root(scratch: &Scratch) -> PathBuf {
        let root = fs::canonicalize(scratch.path("")).unwrap().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/ld.so"), b"x").unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../../lib/ld.so", root.join("usr/lib/up.so")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink(root.join("usr"), root.join("hostwise")).unwrap();
        root
    }

    #[test]
    fn links_stay_inside() {
        let scratch = Scratch::new("links");
        let root = root(&scratch);
        let sysroot = Sysroot::new(&root).unwrap();
        let found = Some(root.join("usr/lib/ld.so"));
        assert_eq!(sysroot.find(Path::new("/lib/ld.so")), found);
        assert_eq!(sysroot.find(Path::new("/usr/lib/up.so")), found);
        assert_eq!(sysroot.find(Path::new("/../usr/./lib/ld.so")), found);
        assert_eq!(sysroot.find(Path::new("/hostwise/lib/ld.so")), Some(root.join("hostwise/lib/ld.so")));
        assert_eq!(sysroot.find(Path::new("/loop")), None);
        assert_eq!(sysroot.find(Path::new("/etc/passwd")), None);
        assert_eq!(sysroot.find(Path::new("relative")), None);
        assert_eq!(Sysroot::new(Path::new("/")), None);
        assert_eq!(Sysroot::new(Path::new("")), None);
    }

    #[test]
    fn the_kernel_and_the_walk_find_the_same() {
        let scratch = Scratch::new("walk");
        let root = root(&scratch);
        let sysroot = Sysroot::new(&root).unwrap();
        let at = |path: &str| Some(CString::new(root.join(path).into_os_string().into_vec()).unwrap());
        let cases = [
            (c"/lib/ld.so", at("usr/lib/ld.so"), at("usr/lib/ld.so")),
            (c"/usr/lib/up.so", at("usr/lib/ld.so"), at("usr/lib/up.so")),
            (c"/../lib", at("usr/lib"), at("lib")),
            (c"/loop", None, at("loop")),
            (c"/hostwise", None, at("hostwise")),
            (c"/absent", None, None),
        ];
        for (path, followed, kept) in cases {
            for (links, expected) in [(Links::Follow, followed), (Links::Keep, kept)] {
                assert_eq!(sysroot.ask_kernel(path, links), Ok(expected.clone()), "{path:?} {links:?}");
                assert_eq!(sysroot.walk(path, links), expected, "{path:?} {links:?}");
            }
        }
    }
}
