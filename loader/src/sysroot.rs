//! Finds files under a sysroot: a directory that stands for the guest's `/`. Symbolic links inside it are followed as
//! a guest whose root it is would follow them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as Linux follows in one path.
const MAX_LINKS: u32 = 40;

/// The directory that `-L` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysroot(PathBuf);

impl Sysroot {
    /// `root` stands for `/`. `/` itself and the empty path are no sysroot.
    #[must_use]
    pub fn new(root: &Path) -> Option<Self> {
        (!root.as_os_str().is_empty() && root != Path::new("/")).then(|| Self(root.to_owned()))
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Where `path`, absolute for the guest, is under the sysroot, if something is there.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        self.follow(path).or_else(|| {
            // Links made with the host in mind, such as /usr/aarch64-linux-gnu/lib64 -> /usr/aarch64-linux-gnu/lib.
            let plain = self.0.join(path.strip_prefix("/").ok()?);
            plain.exists().then_some(plain)
        })
    }

    fn follow(&self, path: &Path) -> Option<PathBuf> {
        let mut inside: Vec<OsString> = Vec::new();
        let mut pending: VecDeque<OsString> = parts(path.strip_prefix("/").ok()?);
        let mut links = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                inside.pop();
                continue;
            }
            inside.push(part);
            let here = self.host_path(&inside);
            let metadata = std::fs::symlink_metadata(&here).ok()?;
            if metadata.file_type().is_symlink() {
                links += 1;
                if links > MAX_LINKS {
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
        Some(self.host_path(&inside))
    }

    fn host_path(&self, inside: &[OsString]) -> PathBuf {
        let mut path = self.0.clone();
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
    use crate::test_elf::Scratch;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside() {
        let scratch = Scratch::new();
        let root = scratch.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/ld.so"), b"x").unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../../lib/ld.so", root.join("usr/lib/up.so")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink(root.join("usr"), root.join("hostwise")).unwrap();
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
    }
}
