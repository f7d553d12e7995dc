//! Pure. Rules for documents: links lead somewhere, and the commands that they show exist.

use super::{File, Finding};

pub(super) fn check(file: &File, files: &[File], findings: &mut Vec<Finding>) {
    if !file.path.ends_with(".md") {
        return;
    }
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        check_commands(file, files, index + 1, line, findings);
        if !fenced {
            check_links(file, files, index + 1, line, findings);
        }
    }
}

fn check_commands(
    file: &File,
    files: &[File],
    number: usize,
    line: &str,
    findings: &mut Vec<Finding>,
) {
    for task in words_after(line, "cargo xtask ") {
        if !crate::TASKS.iter().any(|(name, _)| *name == task) {
            findings.push(Finding::new(file, number, format!("no task `cargo xtask {task}`")));
        }
    }
    let subcommands = words_after(line, "cargo run --release -- ")
        .chain(words_after(line, "$ ringkv "))
        .chain(words_after(line, "`ringkv "));
    for subcommand in subcommands.filter(|name| !name.is_empty()) {
        if !has_subcommand(files, subcommand) {
            let message = format!("the binary has no command `{subcommand}`");
            findings.push(Finding::new(file, number, message));
        }
    }
}

/// Whether the command line of the binary has a variant of that name.
fn has_subcommand(files: &[File], name: &str) -> bool {
    let variant: String = name.split('-').map(capitalized).collect();
    let in_cli = files.iter().filter(|file| file.path.starts_with("cli/src/"));
    in_cli.flat_map(|file| file.text.lines()).any(|line| {
        let rest = line.trim_start().strip_prefix(&variant);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['(', ',', ' ', '{']))
    })
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// The words (letters, digits and dashes) that follow each occurrence of the start.
fn words_after<'a>(line: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(start).map(move |(at, _)| {
        let rest = &line[at + start.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-' && !c.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn check_links(
    file: &File,
    files: &[File],
    number: usize,
    line: &str,
    findings: &mut Vec<Finding>,
) {
    for (at, _) in line.match_indices("](") {
        let target = line[at + 2..].split([')', '#']).next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let path = resolve(&file.path, target);
        let found = path == "LICENSE"
            || files
                .iter()
                .any(|file| file.path == path || file.path.starts_with(&format!("{path}/")));
        if !found {
            findings.push(Finding::new(file, number, format!("the link to {target} is dead")));
        }
    }
}

/// The path from the root of a link in a document.
fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
