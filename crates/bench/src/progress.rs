//! Pure. How far a run is, for who looks on.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Making its connections.
    Connecting,
    /// Writing every key.
    Preloading,
    /// Doing what does not count yet.
    WarmingUp,
    /// Doing what counts.
    Measuring,
}

const PHASES: [Phase; 4] =
    [Phase::Connecting, Phase::Preloading, Phase::WarmingUp, Phase::Measuring];

/// Counters that a run writes and others read.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    answers: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// What it is doing, and the answers in that phase so far.
    #[must_use]
    pub fn now(&self) -> (Phase, u64) {
        let phase = usize::from(self.phase.load(Ordering::Relaxed));
        let phase = PHASES.get(phase).copied().unwrap_or(Phase::Connecting);
        (phase, self.answers.load(Ordering::Relaxed))
    }

    /// Lets the clients end as soon as their requests are answered.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.answers.store(0, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, answers: u64) {
        self.answers.fetch_add(answers, Ordering::Relaxed);
    }
}
