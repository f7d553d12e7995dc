//! Pure. /proc/PID/stat: whose child a process is, and what it has used of the processors.

/// What clocks count in /proc on every Linux that users see: USER_HZ.
const TICKS_A_SECOND: f64 = 100.0;

/// What is read of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stat {
    /// Its parent.
    pub(crate) parent: u32,
    /// Seconds of all its threads, in user and in system mode.
    pub(crate) cpu_seconds: f64,
}

/// Reads the line; `None` for what is none, or for a process that has ended.
pub(crate) fn parse(line: &str) -> Option<Stat> {
    // The name of the program is in brackets and may hold anything, brackets too.
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    if matches!(fields.first(), None | Some(&"Z" | &"X")) {
        return None;
    }
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)?.checked_add(number(12)?)?;
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Stat { parent, cpu_seconds: ticks as f64 / TICKS_A_SECOND })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "16767 (a) b) S 1 16767 16767 0 -1 4194560 12 0 0 0 21034 3566 0 0 20 0 6 0 \
        181234 153686016 14490";

    #[test]
    fn user_and_system_time_are_added() {
        assert_eq!(parse(LINE), Some(Stat { parent: 1, cpu_seconds: 246.0 }));
    }

    #[test]
    fn what_has_ended_is_none() {
        for line in ["", "1 (x", "1 (x)", "1 (x) S 1", &LINE.replace(" S ", " Z ")] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
