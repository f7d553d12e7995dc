//! Shell. A live line of what a campaign has done so far.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the line is written anew on a terminal, and how often else.
const TERMINAL_EVERY: Duration = Duration::from_millis(200);
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
    told: Instant,
}

impl Progress {
    /// On standard error.
    #[must_use]
    pub fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), told: Instant::now() }
    }

    /// Writes the line, if it is time to.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let every = if self.is_terminal { TERMINAL_EVERY } else { PLAIN_EVERY };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let mut stderr = std::io::stderr().lock();
        // Who does not want to read it need not.
        let _ = if self.is_terminal {
            write!(stderr, "\r\x1b[2K{}", line()).and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "    {}", line())
        };
    }

    /// The line is not needed any more.
    pub fn clear(&self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
