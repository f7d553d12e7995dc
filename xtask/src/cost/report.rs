//! Pure. Costs beside their goals, and memory as /proc tells it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;

/// What a process has in memory, pages of its program included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) now_bytes: u64,
    /// Since its start.
    pub(super) most_bytes: u64,
}

/// Reads /proc/PID/status.
pub(super) fn memory(status: &str) -> anyhow::Result<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().strip_suffix("kB"));
        let number = number.and_then(|number| number.trim().parse::<u64>().ok());
        number.map(|kilobytes| kilobytes * 1_024).with_context(|| format!("no {name}"))
    };
    Ok(Memory { now_bytes: bytes("VmRSS:")?, most_bytes: bytes("VmHWM:")? })
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cost {
    what: String,
    measured: String,
    goal: String,
    is_kept: bool,
}

impl Cost {
    pub(super) fn seconds(what: &str, measured: Duration, goal: f64) -> Self {
        let seconds = measured.as_secs_f64();
        Self {
            what: what.to_owned(),
            measured: format!("{seconds:.2} s"),
            goal: format!("{goal} s"),
            is_kept: seconds < goal,
        }
    }

    /// No goal where that is 0.
    pub(super) fn bytes(what: &str, measured: u64, goal: u64) -> Self {
        Self {
            what: what.to_owned(),
            measured: amount(measured),
            goal: if goal > 0 { amount(goal) } else { String::new() },
            is_kept: goal == 0 || measured < goal,
        }
    }
}

fn amount(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{:.1} KiB", bytes as f64 / 1_024.0)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}

/// All of them, as Markdown.
pub(super) fn table(costs: &[Cost]) -> String {
    let mut text = "| what | measured | goal: less than |\n|---|---|---|\n".to_owned();
    for Cost { what, measured, goal, is_kept } in costs {
        let missed = if *is_kept { "" } else { " **missed**" };
        let _ = writeln!(text, "| {what} | {measured} | {goal}{missed} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kilobytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let expected = Memory { now_bytes: 1 << 20, most_bytes: 2 << 20 };
        assert_eq!(memory(status).expect("both lines are there"), expected);
        assert!(memory("VmRSS:\t1 kB\n").is_err(), "the other line is not there");
    }

    #[test]
    fn a_goal_is_missed_from_its_number_on() {
        let kept = |cost: Cost| cost.is_kept;
        assert!(kept(Cost::bytes("", (1 << 20) - 1, 1 << 20)));
        assert!(!kept(Cost::bytes("", 1 << 20, 1 << 20)));
        assert!(kept(Cost::bytes("", 1 << 40, 0)));
        assert!(kept(Cost::seconds("", Duration::from_millis(1_999), 2.0)));
        assert!(!kept(Cost::seconds("", Duration::from_secs(2), 2.0)));
    }

    #[test]
    fn a_missed_goal_is_named() {
        let costs = [Cost::bytes("a", 512, 1_024), Cost::bytes("b", 3 << 20, 2 << 20)];
        let text = table(&costs);
        assert!(text.contains("| a | 0.5 KiB | 1.0 KiB |\n"), "{text}");
        assert!(text.contains("| b | 3.0 MiB | 2.0 MiB **missed** |\n"), "{text}");
    }
}
