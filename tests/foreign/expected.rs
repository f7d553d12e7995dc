//! Pure. Lists of the tests of others that fail, each under the reason why it may.
//!
//! A line that begins with `#` is a reason; the lines below it are names of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What came of each test by its name: whether it passed.
pub(crate) type Results = BTreeMap<String, bool>;

/// One list.
pub(crate) struct Expected {
    path: &'static str,
    /// Names, and the lines on which they stand.
    lines: BTreeMap<String, usize>,
}

impl Expected {
    /// Reads a list; `path` is how people find it.
    pub(crate) fn parse(path: &'static str, text: &str) -> anyhow::Result<Self> {
        let mut lines = BTreeMap::new();
        let mut has_reason = false;
        for (line, text) in (1..).zip(text.lines()) {
            match text.trim() {
                "" => has_reason = false,
                reason if reason.starts_with('#') => has_reason = true,
                name => {
                    anyhow::ensure!(has_reason, "{path}:{line}: no reason stands above it");
                    let again = lines.insert(name.to_owned(), line);
                    anyhow::ensure!(again.is_none(), "{path}:{line}: twice in the list");
                }
            }
        }
        Ok(Self { path, lines })
    }

    /// Compares the list with what happened; the errors say which lines to mend.
    pub(crate) fn check(&self, results: &Results) -> anyhow::Result<()> {
        let failed: BTreeSet<&String> =
            results.iter().filter(|(_, passed)| !**passed).map(|(name, _)| name).collect();
        let mut report = String::new();
        for name in failed.iter().filter(|name| !self.lines.contains_key(**name)) {
            let _ = writeln!(report, "  fails, and should not: {name}");
        }
        for (name, line) in self.lines.iter().filter(|(name, _)| !failed.contains(name)) {
            let what = if results.contains_key(name) { "passes" } else { "did not run" };
            let _ = writeln!(report, "  {what}, so delete {}:{line}: {name}", self.path);
        }
        anyhow::ensure!(report.is_empty(), "not as {} says:\n{report}", self.path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# It is not there.\nfirst\nsecond one\n\n# By design.\nthird\n";

    fn check(results: &[(&str, bool)]) -> String {
        let list = Expected::parse("list", LIST).expect("a list");
        let results = results.iter().map(|(name, passed)| ((*name).to_owned(), *passed)).collect();
        list.check(&results).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_expected_happens_and_nothing_else() {
        let as_listed = [("first", false), ("second one", false), ("third", false), ("more", true)];
        assert_eq!(check(&as_listed), "");
        let new = [&as_listed[..3], &[("more", false)]].concat();
        assert!(check(&new).contains("fails, and should not: more"));
        let mended = [&as_listed[..2], &[("third", true)]].concat();
        assert!(check(&mended).contains("passes, so delete list:6: third"));
        assert!(check(&as_listed[1..]).contains("did not run, so delete list:2: first"));
        assert!(Expected::parse("list", "first\n").is_err());
        assert!(Expected::parse("list", "# Why.\nfirst\nfirst\n").is_err());
        assert!(Expected::parse("list", "# Why.\n\nfirst\n").is_err());
    }
}
