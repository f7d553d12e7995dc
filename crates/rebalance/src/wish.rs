//! Pure. Which servers are wanted: what add, remove and scale make of the wish before.

use std::collections::BTreeSet;

use handoff::Server;
use ring::MAX_MEMBERS;

use crate::status::{Change, ChangeError};

/// What users have asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The members in the order of joining; the last is the newest.
    pub(crate) members: Vec<String>,
    /// Servers that were members and still exist, the latest leaver last.
    pub(crate) leavers: Vec<String>,
    /// Retired servers whose process and volume are being removed.
    pub(crate) departing: BTreeSet<String>,
    /// Losses that have been accepted and are not yet in the ring document.
    pub(crate) accepted: BTreeSet<Server>,
}

impl Wish {
    /// Adds the named server; without a name the one that left last, while it still exists, else
    /// the number above the highest present one.
    pub(crate) fn add(&mut self, name: Option<&str>, prefix: &str) -> Result<Change, ChangeError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.next_name(prefix),
        };
        if self.members.contains(&name) {
            return Err(ChangeError::AlreadyMember(name));
        }
        if self.departing.contains(&name) {
            return Err(ChangeError::BeingRemoved(name));
        }
        if !ring::is_name(&name) {
            return Err(ring::DocumentError::InvalidName(name).into());
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err(ChangeError::Replicas(self.members.len() + 1));
        }
        let before = self.members.clone();
        self.leavers.retain(|leaver| *leaver != name);
        self.members.push(name);
        Ok(self.change_since(before))
    }

    /// Removes the named server; without a name the newest.
    pub(crate) fn remove(&mut self, name: Option<&str>) -> Result<Change, ChangeError> {
        let position = match name {
            None => self.members.len().checked_sub(1),
            Some(name) => self.members.iter().position(|member| member == name),
        };
        let position = position.ok_or_else(|| ChangeError::UnknownServer {
            name: name.unwrap_or_default().to_owned(),
            servers: self.members.clone(),
        })?;
        if self.members.len() == 1 {
            return Err(ChangeError::LastServer);
        }
        let before = self.members.clone();
        let leaver = self.members.remove(position);
        self.leavers.push(leaver);
        Ok(self.change_since(before))
    }

    /// Adds and removes the newest until there are so many.
    pub(crate) fn scale(&mut self, replicas: usize, prefix: &str) -> Result<Change, ChangeError> {
        if !(1..=MAX_MEMBERS).contains(&replicas) {
            return Err(ChangeError::Replicas(replicas));
        }
        let before = self.members.clone();
        while self.members.len() > replicas {
            self.remove(None)?;
        }
        while self.members.len() < replicas {
            self.add(None, prefix)?;
        }
        Ok(self.change_since(before))
    }

    /// Exactly these servers, of which there is one at least. One that is still being removed
    /// stays out until it is gone; ask again then.
    pub(crate) fn set(&mut self, members: &[String]) -> Result<Change, ChangeError> {
        if !(1..=MAX_MEMBERS).contains(&members.len()) {
            return Err(ChangeError::Replicas(members.len()));
        }
        let before = self.members.clone();
        for name in members {
            if !self.members.contains(name) && !self.departing.contains(name) {
                self.add(Some(name), "")?;
            }
        }
        let extra: Vec<String> =
            self.members.iter().filter(|name| !members.contains(name)).cloned().collect();
        for name in extra.iter().rev() {
            self.remove(Some(name))?;
        }
        Ok(self.change_since(before))
    }

    /// All that shall exist.
    pub(crate) fn servers(&self) -> BTreeSet<String> {
        self.members.iter().chain(&self.leavers).cloned().collect()
    }

    fn next_name(&self, prefix: &str) -> String {
        if let Some(last) = self.leavers.last() {
            return last.clone();
        }
        let number =
            |name: &String| name.strip_prefix(prefix)?.strip_prefix('-')?.parse::<u64>().ok();
        let highest = self.members.iter().chain(&self.departing).filter_map(number).max();
        format!("{prefix}-{}", highest.map_or(0, |highest| highest.saturating_add(1)))
    }

    fn change_since(&self, from: Vec<String>) -> Change {
        let without = |all: &[String], others: &[String]| {
            all.iter().filter(|name| !others.contains(name)).cloned().collect()
        };
        Change {
            joining: without(&self.members, &from),
            leaving: without(&from, &self.members),
            to: self.members.clone(),
            from,
        }
    }
}

#[cfg(test)]
mod tests;
