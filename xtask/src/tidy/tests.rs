//! Every rule finds its breach, and this repository has none.

use super::{File, check};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// Checks one file and expects a finding that contains the text, or none at all.
fn expect(path: &str, text: &str, finding: Option<&str>) {
    let findings = check(&[
        file(path, text),
        file("cli/src/arguments.rs", "//! Shell.\nenum Command {\n    Local(LocalArguments),\n}\n"),
    ]);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    match finding {
        Some(expected) => assert!(
            found.iter().any(|message| message.contains(expected)),
            "expected {expected:?} of {path}, found {found:?}"
        ),
        None => assert!(found.is_empty(), "expected nothing of {path}, found {found:?}"),
    }
}

#[test]
fn the_repository_is_tidy() {
    super::run().expect("see the places above");
}

#[test]
fn white_space_and_the_last_line_break() {
    expect("docs/x.md", "one \ntwo\n", Some("docs/x.md:1: ends in white space"));
    expect("docs/x.md", "one", Some("line break"));
    expect("docs/x.md", "one\n", None);
}

#[test]
fn lengths() {
    let lines = |n: usize| format!("//! Pure. X.\n{}", "\n".repeat(n - 1));
    expect("router/src/x.rs", &lines(500), None);
    expect("router/src/x.rs", &lines(501), Some("501 lines"));

    let width = |n: usize| format!("//! Pure.{}\n", "x".repeat(n - 9));
    expect("router/src/x.rs", &width(100), None);
    expect("router/src/x.rs", &width(101), Some("longer than 100"));

    let function = |n: usize| {
        let body = "        body();\n".repeat(n - 2);
        format!("//! Pure.\nimpl X {{\n    pub(crate) async fn f() {{\n{body}    }}\n}}\n")
    };
    expect("router/src/x.rs", &function(70), None);
    expect("router/src/x.rs", &function(71), Some("router/src/x.rs:3: function of 71 lines"));
}

#[test]
fn names_headers_and_leftovers() {
    expect("router/src/utils.rs", "//! Pure.\n", Some("`utils` says nothing"));
    expect("router/src/common/x.rs", "//! Pure.\n", Some("`common` says nothing"));
    expect("router/src/x.rs", "use x;\n", Some("header"));
    expect("router/src/tests.rs", "use x;\n", None);
    expect("router/src/x.rs", concat!("//! Shell.\n// TO", "DO: later\n"), Some("leftover"));
}

#[test]
fn purity() {
    expect("crates/ring/src/x.rs", "//! Pure.\nuse std::fs::File;\n", Some("std::fs"));
    expect("crates/ring/src/x.rs", "//! Shell.\n", Some("a shell in a crate"));
    expect("crates/ring/src/x.rs", "//! Pure.\nfn f(now: Instant) {}\n", Some("Instant"));
    expect("router/src/x.rs", "//! Pure.\nfn f(now: Instant) {}\n", None);
    expect("router/src/x.rs", "//! Pure.\nlet now = Instant::now();\n", Some("Instant::now"));
    expect("router/src/x.rs", "//! Pure.\n// tokio::net would be wrong here\n", None);
    expect("router/src/x.rs", "//! Shell.\nuse tokio::net;\n", None);
}

#[test]
fn manifests() {
    let manifest = |dependency: &str| {
        format!("[package]\n\n[lints]\nworkspace = true\n\n[dependencies]\n{dependency}\n")
    };
    expect("crates/ring/Cargo.toml", &manifest("serde.workspace = true"), None);
    expect("crates/ring/Cargo.toml", &manifest("tokio.workspace = true"), Some("tokio"));
    expect("router/Cargo.toml", &manifest("kvnode = { workspace = true }"), Some("kvnode"));
    expect("router/Cargo.toml", &manifest("serde = \"1\""), Some("[workspace.dependencies]"));
    expect("router/Cargo.toml", "[package]\n", Some("[lints]"));
}

#[test]
fn planted_bugs_are_in_no_build() {
    let manifest = |line: &str| format!("[lints]\nworkspace = true\n\n[dependencies]\n{line}\n");
    let asks = Some("planted bugs");
    expect("router/Cargo.toml", &manifest("planted.workspace = true"), None);
    let features = "planted = { workspace = true, features = [\"planted\"] }";
    expect("router/Cargo.toml", &manifest(features), asks);
    let own = |features: &str| format!("[lints]\nworkspace = true\n\n[features]\n{features}\n");
    expect("crates/planted/Cargo.toml", &own("planted = []"), None);
    expect("crates/planted/Cargo.toml", &own("default = [\"planted\"]\nplanted = []"), asks);
    let build = concat!("RUN cargo build --features planted/", "planted\n");
    expect("Containerfile", build, asks);
    expect(".ci/run", build, asks);
    expect("xtask/src/planted.rs", &format!("//! Shell.\n{build}"), None);
}

#[test]
fn documents() {
    expect("README.md", "run `cargo xtask test`\n", None);
    expect("README.md", "run `cargo xtask nothing`\n", Some("no task"));
    expect("README.md", "```\ncargo run --release -- local --nodes 5\n```\n", None);
    expect("README.md", "$ ringkv nothing\n", Some("no command `nothing`"));
    expect("docs/x.md", "[cli](../cli/src/arguments.rs) [web](https://example.org)\n", None);
    expect("docs/x.md", "[x](../nowhere.md#part)\n", Some("../nowhere.md is dead"));
}
