//! Pure. Rules for source files: sizes, names, headers, leftovers, and what a pure file may not
//! touch.

use super::{File, Finding};

/// The longest file, in lines.
pub(super) const FILE_LINES_MAX: usize = 500;
/// The longest function, in lines, from its `fn` line to its closing brace.
pub(super) const FUNCTION_LINES_MAX: usize = 70;
/// The longest line, in characters.
pub(super) const LINE_CHARS_MAX: usize = 100;

const NAMES_THAT_SAY_NOTHING: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];
/// Notes to oneself and leftovers of debugging; written in two halves so that this file is tidy.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("dbg", "!(")];
/// What acts, and so belongs into the shell.
const ACTIONS: [&str; 14] = [
    "Instant::now",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "process::Command",
    "env::args",
    "env::var",
    "std::fs",
    "thread::spawn",
    "tokio::fs",
    "tokio::net",
    "tokio::spawn",
    "tokio::task",
    "tokio::time::sleep",
];
/// What a crate in which every file is pure does not even name.
const IMPURE: [&str; 10] = [
    "tokio::",
    "axum::",
    "kube::",
    "hyper::",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant",
];
/// Crates in which every file is pure.
const PURE_CRATES: [&str; 4] =
    ["crates/dialect/src/", "crates/ring/src/", "crates/resp/src/", "crates/handoff/src/"];

pub(super) fn check(file: &File, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            findings.push(Finding::new(file, index + 1, "ends in white space"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::new(file, 0, "does not end in a line break"));
    }
    if !file.path.ends_with(".rs") {
        return;
    }
    check_lines(file, findings);
    check_functions(file, findings);
    check_name(file, findings);
    check_header(file, findings);
    check_purity(file, findings);
}

fn check_lines(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        let message = format!("{lines} lines; split it, {FILE_LINES_MAX} is the most");
        findings.push(Finding::new(file, 0, message));
    }
    for (index, line) in file.text.lines().enumerate() {
        if line.chars().count() > LINE_CHARS_MAX {
            let message = format!("longer than {LINE_CHARS_MAX} characters");
            findings.push(Finding::new(file, index + 1, message));
        }
        for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(**leftover)) {
            findings.push(Finding::new(file, index + 1, format!("leftover: {leftover}")));
        }
    }
}

/// Measures functions by their indentation, which rustfmt guarantees.
fn check_functions(file: &File, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        let indentation = line.len() - line.trim_start().len();
        let end = lines.iter().skip(start).position(|line| {
            line.trim_end().ends_with(['}', ';'])
                && line.len() - line.trim_start().len() == indentation
        });
        let length = end.map_or(0, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            let message = format!("function of {length} lines; {FUNCTION_LINES_MAX} is the most");
            findings.push(Finding::new(file, start + 1, message));
        }
    }
}

fn begins_function(line: &str) -> bool {
    let mut words = line.trim_start().split_ascii_whitespace();
    words.find(|word| {
        !(word.starts_with("pub") || ["const", "async", "unsafe", "default"].contains(word))
    }) == Some("fn")
}

fn check_name(file: &File, findings: &mut Vec<Finding>) {
    for part in file.path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if NAMES_THAT_SAY_NOTHING.contains(&stem) {
            findings.push(Finding::new(file, 0, format!("the name `{stem}` says nothing")));
        }
    }
}

fn check_header(file: &File, findings: &mut Vec<Finding>) {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
    if is_test {
        return;
    }
    if !["//! Pure.", "//! Shell."].iter().any(|header| file.text.starts_with(header)) {
        let message = "the header does not begin with `//! Pure.` or `//! Shell.`";
        findings.push(Finding::new(file, 1, message));
    }
}

fn check_purity(file: &File, findings: &mut Vec<Finding>) {
    let in_pure_crate = PURE_CRATES.iter().any(|path| file.path.starts_with(path));
    if !in_pure_crate && !file.text.starts_with("//! Pure.") {
        return;
    }
    if in_pure_crate && file.text.starts_with("//! Shell.") {
        findings.push(Finding::new(file, 1, "a shell in a crate that is pure"));
    }
    for (index, line) in file.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let named = if in_pure_crate { &IMPURE[..] } else { &[] };
        for word in ACTIONS.iter().chain(named).filter(|word| has_word(code, word)) {
            findings.push(Finding::new(file, index + 1, format!("{word} in a pure file")));
        }
    }
}

/// Whether the text holds the word, not as a part of a longer identifier, nor in quotes.
fn has_word(code: &str, word: &str) -> bool {
    let is_identifier = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '"';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_identifier)
            && (word.ends_with("::") || !after.is_some_and(is_identifier))
    })
}
