//! Shell. Waits for conditions, each for a bounded time.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// As much of a log as an error shows.
const LOG_LINES: usize = 15;

/// What a look at a condition found.
pub(crate) enum Look<T> {
    Found(T),
    /// And why not.
    NotYet(String),
}

impl Look<()> {
    pub(crate) fn is(condition: bool, otherwise: &str) -> Self {
        if condition { Self::Found(()) } else { Self::NotYet(otherwise.to_owned()) }
    }
}

/// Looks again and again until the condition holds. If it does not in time, the error shows why
/// and the end of the log. An error of the look itself ends the wait.
pub(crate) fn until<T>(
    what: &str,
    within: Duration,
    log: Option<&Path>,
    mut look: impl FnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        let why = match look()? {
            Look::Found(found) => return Ok(found),
            Look::NotYet(why) => why,
        };
        if began.elapsed() > within {
            bail!("waited {} s in vain for {what}: {why}{}", within.as_secs(), end_of(log));
        }
        sleep(BETWEEN_LOOKS);
    }
}

/// The last lines of a log, with its name.
pub(crate) fn end_of(log: Option<&Path>) -> String {
    let Some(path) = log else { return String::new() };
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(LOG_LINES).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("\nthe end of {}:\n{}", path.display(), lines.join("\n"))
}
