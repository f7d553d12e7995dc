//! Pure. What strace wrote down: which threads made which system calls on which files.

use std::collections::BTreeMap;

/// One system call, as it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which thread.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// The file below the data directory that it is about; the first, where there are two.
    pub file: Option<String>,
    /// Whether strace made it fail.
    pub is_injected: bool,
}

/// Reads the output of `strace -f -y`, with paths below this directory.
#[must_use]
pub fn parse(text: &str, data: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
        let Ok(thread) = thread.parse() else { continue };
        let rest = rest.trim_start();
        let is_injected = rest.ends_with("(INJECTED)");
        if rest.starts_with("<...") {
            let mut earlier = calls.iter_mut().rev();
            if is_injected && let Some(call) = earlier.find(|call| call.thread == thread) {
                call.is_injected = true;
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let file = arguments.split_once(data).map(|(_, rest)| {
            let end = rest.find(['"', '>']).unwrap_or(rest.len());
            rest[..end].trim_start_matches('/').to_owned()
        });
        calls.push(Call { thread, name: name.to_owned(), file, is_injected });
    }
    calls
}

/// Calls of one kind on one file, which are made to fail one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The call.
    pub name: String,
    /// The file; `None` is any file, in the first thread.
    pub file: Option<String>,
}

/// How often the thread that makes each kind of call most often makes it. strace counts by thread.
/// Files of a random name are left to [`of_first_thread`].
#[must_use]
pub fn by_file(calls: &[Call]) -> BTreeMap<Kind, u32> {
    let mut counts: BTreeMap<(Kind, u32), u32> = BTreeMap::new();
    for call in calls {
        let Some(file) = call.file.clone() else { continue };
        if file.rsplit('/').next().is_some_and(|name| name.starts_with(".tmp")) {
            continue;
        }
        let kind = Kind { name: call.name.clone(), file: Some(file) };
        *counts.entry((kind, call.thread)).or_default() += 1;
    }
    let mut most: BTreeMap<Kind, u32> = BTreeMap::new();
    for ((kind, _), count) in counts {
        let most = most.entry(kind).or_default();
        *most = count.max(*most);
    }
    most
}

/// Which of the calls of each name, counted in the first thread, are about a file of the data.
#[must_use]
pub fn of_first_thread(calls: &[Call]) -> BTreeMap<Kind, Vec<u32>> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut found: BTreeMap<Kind, Vec<u32>> = BTreeMap::new();
    let first = calls.first().map(|call| call.thread);
    for call in calls.iter().filter(|call| Some(call.thread) == first) {
        let count = counts.entry(&call.name).or_default();
        *count += 1;
        if call.file.is_some() {
            let kind = Kind { name: call.name.clone(), file: None };
            found.entry(kind).or_default().push(*count);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
7 openat(AT_FDCWD</>, \"/etc/passwd\", O_RDONLY) = 3</etc/passwd>
7 openat(AT_FDCWD</>, \"/data/LOCK\", O_RDWR) = 4</data/LOCK>
8 fdatasync(5</data/0.jnl> <unfinished ...>
7 write(6</data/.tmpAbc>, \"x\", 1) = 1
7 rename(\"/data/clock.new\", \"/data/clock\") = 0
8 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)
7 +++ exited with 0 +++
";

    #[test]
    fn calls_are_counted_by_thread_and_file() {
        let calls = parse(TRACE, "/data");
        let injected: Vec<&str> =
            calls.iter().filter(|c| c.is_injected).map(|c| c.name.as_str()).collect();
        assert_eq!(injected, ["fdatasync"]);
        let kind = |name: &str, file: Option<&str>| Kind {
            name: name.to_owned(),
            file: file.map(ToOwned::to_owned),
        };
        let by_file = by_file(&calls);
        assert_eq!(by_file.get(&kind("fdatasync", Some("0.jnl"))), Some(&1));
        assert_eq!(by_file.get(&kind("rename", Some("clock.new"))), Some(&1));
        assert!(!by_file.keys().any(|kind| kind.name == "write"));
        let first = of_first_thread(&calls);
        assert_eq!(first.get(&kind("openat", None)), Some(&vec![2]));
        assert_eq!(first.get(&kind("fdatasync", None)), None);
    }
}
