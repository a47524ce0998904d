//! What a core file is called: the pattern of core(5). It must not know what is in the file.

/// What patterns can ask for.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// %p and %P: the process.
    pub pid: u32,
    /// %i and %I: the thread.
    pub tid: u32,
    /// %u
    pub uid: u32,
    /// %g
    pub gid: u32,
    /// %s
    pub signal: i32,
    /// %t: seconds since the epoch.
    pub time: u64,
    /// %c: RLIMIT_CORE.
    pub limit: u64,
    /// %h
    pub host: String,
    /// %e: the thread's name.
    pub comm: String,
    /// %E, and its last part %f: the program's path.
    pub exe: String,
}

/// The file's path. None if the pattern names a program or a socket, which only the kernel can serve.
pub fn of(pattern: &str, uses_pid: bool, facts: &Facts) -> Option<String> {
    let pattern = pattern.trim_end_matches('\n');
    if pattern.starts_with(['|', '@']) {
        return None;
    }
    let mut name = String::new();
    let mut has_pid = false;
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        if letter != '%' {
            name.push(letter);
            continue;
        }
        match rest.next() {
            Some('%') => name.push('%'),
            Some('p' | 'P') => {
                has_pid = true;
                name += &facts.pid.to_string();
            }
            Some('i' | 'I') => name += &facts.tid.to_string(),
            Some('u') => name += &facts.uid.to_string(),
            Some('g') => name += &facts.gid.to_string(),
            // The dump mode: of the user, or there would be no file of emu's.
            Some('d') => name.push('1'),
            Some('s') => name += &facts.signal.to_string(),
            Some('t') => name += &facts.time.to_string(),
            Some('c') => name += &facts.limit.to_string(),
            Some('h') => name += &component(&facts.host),
            Some('e') => name += &component(&facts.comm),
            Some('f') => name += &component(facts.exe.rsplit('/').next().unwrap_or_default()),
            Some('E') => name += &component(&facts.exe),
            // As in the kernel, what it does not know is dropped.
            _ => {}
        }
    }
    if uses_pid && !has_pid {
        name += &format!(".{}", facts.pid);
    }
    Some(name)
}

/// A text that comes from elsewhere, so that it names no other directory.
fn component(text: &str) -> String {
    match text {
        "" | "." => "!".to_owned(),
        ".." => "!.".to_owned(),
        _ => text.replace('/', "!"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            pid: 12,
            tid: 13,
            uid: 1000,
            gid: 100,
            signal: 6,
            time: 99,
            limit: 4096,
            host: "here".into(),
            comm: "a/b".into(),
            exe: "/usr/bin/prog".into(),
        }
    }

    #[test]
    fn patterns_are_filled_in() {
        let name = |pattern| of(pattern, false, &facts()).unwrap();
        assert_eq!(name("core\n"), "core");
        assert_eq!(name("/tmp/%e.%p.%i.%s.%t.%h.%u.%g.%c"), "/tmp/a!b.12.13.6.99.here.1000.100.4096");
        assert_eq!(name("%f-%E-100%%-%z-%"), "prog-!usr!bin!prog-100%--");
    }

    #[test]
    fn the_process_is_added_where_it_is_missing() {
        assert_eq!(of("core", true, &facts()).unwrap(), "core.12");
        assert_eq!(of("core-%p", true, &facts()).unwrap(), "core-12");
    }

    #[test]
    fn programs_are_the_kernels_to_start() {
        assert_eq!(of("|/usr/lib/systemd/systemd-coredump %P", false, &facts()), None);
        assert_eq!(of("@/run/cores", false, &facts()), None);
    }

    #[test]
    fn names_lead_nowhere_else() {
        let named = |comm: &str| of("x/%e", false, &Facts { comm: comm.into(), ..facts() }).unwrap();
        assert_eq!(named(".."), "x/!.");
        assert_eq!(named("."), "x/!");
        assert_eq!(named(""), "x/!");
        assert_eq!(named("../../etc"), "x/..!..!etc");
    }
}
