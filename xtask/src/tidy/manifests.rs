//! Pure. Rules for Cargo.toml files: lints come from the workspace, versions too, who may depend
//! on whom, and that no build but that of `cargo xtask planted` has planted bugs.

use super::{File, Finding};

/// A manifest, and what it may not depend on.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("crates/dialect/Cargo.toml", &IO_CRATES),
    ("crates/ring/Cargo.toml", &IO_CRATES),
    ("crates/resp/Cargo.toml", &IO_CRATES),
    ("crates/handoff/Cargo.toml", &IO_CRATES),
    ("kvnode/Cargo.toml", &["router", "operator"]),
    ("router/Cargo.toml", &["kvnode", "operator"]),
    ("operator/Cargo.toml", &["kvnode", "router"]),
];
const IO_CRATES: [&str; 14] = [
    "axum",
    "fjall",
    "getrandom",
    "hyper",
    "hyper-util",
    "kube",
    "kvnode",
    "node-api",
    "rebalance",
    "router",
    "rustix",
    "shell",
    "socket2",
    "tokio",
];

/// How a build asks for planted bugs; written in two halves so that this file is tidy.
const PLANTED_FEATURE: &str = concat!("planted/", "planted");
/// Who may.
const PLANTERS: [&str; 3] = ["xtask/src/planted", "docs/", "sim/Cargo.toml"];

pub(super) fn check(file: &File, findings: &mut Vec<Finding>) {
    check_planted(file, findings);
    if !file.path.ends_with("/Cargo.toml") || file.path.starts_with("sim/") {
        return;
    }
    if !file.text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::new(file, 0, "lacks `[lints]` with `workspace = true`"));
    }
    let forbidden = FORBIDDEN.iter().find(|(path, _)| *path == file.path);
    for (line, name, value) in dependencies(&file.text) {
        if forbidden.is_some_and(|(_, names)| names.contains(&name)) {
            findings.push(Finding::new(file, line, format!("may not depend on {name}")));
        }
        if !name.ends_with(".workspace") && !value.contains("workspace = true") {
            let message = format!("{name} does not come from [workspace.dependencies]");
            findings.push(Finding::new(file, line, message));
        }
    }
}

/// The feature is off unless the command line turns it on, and only one task does.
fn check_planted(file: &File, findings: &mut Vec<Finding>) {
    let may_plant = PLANTERS.iter().any(|path| file.path.starts_with(path));
    let is_manifest = file.path.ends_with("Cargo.toml");
    let is_own = file.path == "crates/planted/Cargo.toml";
    for (index, line) in file.text.lines().enumerate() {
        let asks = line.contains(PLANTED_FEATURE) && !may_plant;
        let enables = is_manifest && line.contains("planted") && line.contains("features");
        let by_default = is_own && line.trim_start().starts_with("default");
        if asks || enables || by_default {
            let message = "turns planted bugs on; only `cargo xtask planted` may";
            findings.push(Finding::new(file, index + 1, message));
        }
    }
}

/// The lines of dependency tables: line number, crate, the rest.
fn dependencies(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
            return None;
        }
        let (name, value) = line.split_once('=').filter(|_| inside && !line.starts_with('#'))?;
        let (name, value) = (name.trim(), value.trim());
        match name.strip_suffix(".workspace") {
            Some(name) if value == "true" => Some((index + 1, name, "workspace = true")),
            _ => Some((index + 1, name, value)),
        }
    })
}
