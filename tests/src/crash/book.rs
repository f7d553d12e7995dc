//! Pure. What the writers of some keys know: which states each key had, and which of them were
//! acknowledged; and what of that a crash may take away.
//!
//! A key has one writer, which has at most one write to it on the way, so the states of a key are
//! a sequence. Every state differs from all earlier ones of its key, save for absence.

use std::collections::BTreeMap;
use std::fmt;

/// The state of a key as a client sees it.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// There is no such key.
    Absent,
    /// A value, and whether it expires some day.
    Value {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether it has an expiry.
        expires: bool,
    },
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BYTES_SHOWN: usize = 48;
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Value { bytes, expires } => {
                let shown = bytes.get(..BYTES_SHOWN).unwrap_or(bytes);
                write!(f, "{:?}", shown.escape_ascii().to_string())?;
                write!(f, " ({} bytes{})", bytes.len(), if *expires { ", expires" } else { "" })
            }
        }
    }
}

/// One write to a key, and the state that it leaves.
#[derive(Clone, Debug)]
struct Step {
    state: State,
    /// Which server was asked.
    server: usize,
    /// When it was sent, in nanoseconds of one clock.
    sent: u64,
    /// When it was acknowledged; `None` where nobody knows whether it was applied.
    acknowledged: Option<u64>,
}

/// What one key went through since it was last looked at in peace.
#[derive(Clone, Debug)]
struct Page {
    /// Known to be on disk.
    certain: State,
    steps: Vec<Step>,
    /// Whether the last step is on its way.
    is_open: bool,
}

/// What a server that lost its power may have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which server.
    pub server: usize,
    /// Writes that were acknowledged before this time must be there.
    pub kept_until: u64,
}

/// What was found on a look at all keys after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Acknowledged writes that had to be there and are.
    pub kept: u64,
    /// Acknowledged writes that were lost, and were allowed to be.
    pub lost: u64,
    /// When the oldest of them was acknowledged.
    pub oldest_lost: Option<u64>,
    /// Writes without an answer that turned out to be applied, and not to be.
    pub applied: u64,
    /// See [`Found::applied`].
    pub not_applied: u64,
}

impl Found {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.lost += other.lost;
        self.applied += other.applied;
        self.not_applied += other.not_applied;
        self.oldest_lost = match (self.oldest_lost, other.oldest_lost) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
    }
}

/// The keys of some writers.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pages: BTreeMap<String, Page>,
}

impl Book {
    /// Adds a key that does not exist yet.
    pub fn add_key(&mut self, key: String) {
        self.pages.insert(key, Page { certain: State::Absent, steps: Vec::new(), is_open: false });
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.pages.keys().map(String::as_str)
    }

    /// How many keys exist, where nothing is on its way.
    #[must_use]
    pub fn n_present(&self) -> usize {
        let states =
            self.pages.values().map(|page| page.steps.last().map_or(&page.certain, |s| &s.state));
        states.filter(|state| **state != State::Absent).count()
    }

    /// The state of a key; `None` where a write may or may not have been applied.
    #[must_use]
    pub fn known(&self, key: &str) -> Option<&State> {
        let page = self.pages.get(key)?;
        if page.is_open {
            return None;
        }
        Some(page.steps.last().map_or(&page.certain, |step| &step.state))
    }

    /// Whether a key ever had this state, as far as the book goes back.
    #[must_use]
    pub fn had(&self, key: &str, state: &State) -> bool {
        let page = self.pages.get(key);
        page.is_some_and(|page| {
            page.certain == *state || page.steps.iter().any(|step| step.state == *state)
        })
    }

    /// A write is sent, which would leave the key in this state.
    pub fn sent(&mut self, key: &str, state: State, server: usize, now: u64) {
        if let Some(page) = self.pages.get_mut(key) {
            page.steps.push(Step { state, server, sent: now, acknowledged: None });
            page.is_open = true;
        }
    }

    /// The write that was sent last is acknowledged.
    pub fn acknowledged(&mut self, key: &str, now: u64) {
        if let Some(page) = self.pages.get_mut(key)
            && let Some(step) = page.steps.last_mut()
        {
            step.acknowledged = Some(now);
            page.is_open = false;
        }
    }

    /// The write that was sent last is refused, with the promise that it was not applied.
    pub fn refused(&mut self, key: &str) {
        if let Some(page) = self.pages.get_mut(key) {
            page.steps.pop();
            page.is_open = false;
        }
    }

    /// Compares what is there after a crash with what has to be, and begins anew from it.
    ///
    /// # Errors
    /// Acknowledged writes are lost that must not be, or something is there that nobody wrote or
    /// that was refused.
    pub fn check(
        &mut self,
        seen: &BTreeMap<String, State>,
        losses: &[Loss],
    ) -> Result<Found, String> {
        let mut found = Found::default();
        let mut lost = Vec::new();
        // Of each server that lost something: when the latest write that is there was sent.
        let mut latest: BTreeMap<usize, (u64, String)> = BTreeMap::new();
        for (key, page) in &self.pages {
            let state = seen.get(key).ok_or_else(|| format!("{key} was not read"))?;
            let (n_sure, n_there) = n_there(page, state).ok_or_else(|| {
                format!("{key} is {state:?}, which is none of its states: {page:?}")
            })?;
            let (there, gone) = page.steps.split_at(n_there);
            for (index, step) in there.iter().enumerate() {
                match step.acknowledged {
                    Some(_) => found.kept += 1,
                    None => found.applied += 1,
                }
                let last = latest.entry(step.server).or_default();
                if index < n_sure && step.sent > last.0 {
                    *last = (step.sent, key.clone());
                }
            }
            for step in gone {
                match step.acknowledged {
                    Some(at) => lost.push((key, step, at)),
                    None => found.not_applied += 1,
                }
            }
        }
        for (key, step, at) in lost {
            let loss = losses.iter().find(|loss| loss.server == step.server);
            let Some(loss) = loss.filter(|loss| at >= loss.kept_until) else {
                return Err(format!(
                    "lost: {key} should be {:?}, acknowledged at {at}",
                    step.state
                ));
            };
            if let Some((sent, later)) = latest.get(&step.server).filter(|(sent, _)| *sent > at) {
                return Err(format!(
                    "a hole: {key} lost what was acknowledged at {at}, although a write of {later} \
                     that was sent at {sent} is there; allowed {loss:?}"
                ));
            }
            found.add(Found { lost: 1, oldest_lost: Some(at), ..Found::default() });
        }
        for (key, page) in &mut self.pages {
            if let Some(state) = seen.get(key) {
                *page = Page { certain: state.clone(), steps: Vec::new(), is_open: false };
            }
        }
        Ok(found)
    }
}

/// How many of the steps must have happened if the key has this state, and how many may have: a key
/// that is absent may never have been there, or have been removed again.
fn n_there(page: &Page, state: &State) -> Option<(usize, usize)> {
    let states = || std::iter::once(&page.certain).chain(page.steps.iter().map(|step| &step.state));
    let least = states().position(|known| known == state)?;
    let most = states().enumerate().filter(|(_, known)| *known == state).last()?.0;
    Some((least, most))
}

#[cfg(test)]
mod tests;
