//! Shell. An engine in memory that loses what was not synced, and fails or hangs on request: for
//! tests and simulations of everything above the engine.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::engine::{Change, Engine, Scan, Table};
use super::error::StoreError;

type Tables = BTreeMap<(Table, Bytes), Bytes>;

/// See the module. Its disk is infinite unless told otherwise.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    state: Mutex<State>,
    let_go: Condvar,
}

#[derive(Debug)]
struct State {
    visible: Tables,
    on_disk: Tables,
    unsynced: Vec<Vec<Change>>,
    n_syncs: u64,
    fails: bool,
    is_held: bool,
    is_calm: bool,
    free_bytes: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            visible: Tables::new(),
            on_disk: Tables::new(),
            unsynced: Vec::new(),
            n_syncs: 0,
            fails: false,
            is_held: false,
            is_calm: true,
            free_bytes: u64::MAX,
        }
    }
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is found after a loss of power: everything that was synced, and the oldest
    /// `n_kept_commits` of the commits that were not. This engine itself is left as it was.
    #[must_use]
    pub fn after_crash(&self, n_kept_commits: usize) -> Self {
        let state = self.state();
        let mut tables = state.on_disk.clone();
        for changes in state.unsynced.iter().take(n_kept_commits) {
            apply(&mut tables, changes);
        }
        let state = State { visible: tables.clone(), on_disk: tables, ..State::default() };
        Self { state: Mutex::new(state), let_go: Condvar::new() }
    }

    /// How many commits are not synced.
    #[must_use]
    pub fn n_unsynced(&self) -> usize {
        self.state().unsynced.len()
    }

    /// How many times something was synced.
    #[must_use]
    pub fn n_syncs(&self) -> u64 {
        self.state().n_syncs
    }

    /// From now on each commit and sync fails.
    pub fn fail(&self) {
        self.state().fails = true;
    }

    /// From now on each commit and sync waits for [`MemoryEngine::let_go`].
    pub fn hold(&self) {
        self.state().is_held = true;
    }

    /// Ends [`MemoryEngine::hold`].
    pub fn let_go(&self) {
        self.state().is_held = false;
        self.let_go.notify_all();
    }

    /// What [`Engine::is_calm`] says from now on.
    pub fn set_calm(&self, is_calm: bool) {
        self.state().is_calm = is_calm;
    }

    /// What [`Engine::free_bytes`] says from now on.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.state().free_bytes = free_bytes;
    }

    /// Overwrites a value behind the store's back, on disk too, as a fault of the medium would.
    pub fn damage(&self, table: Table, key: &[u8], value: Bytes) {
        let mut state = self.state();
        let key = (table, Bytes::copy_from_slice(key));
        state.visible.insert(key.clone(), value.clone());
        state.on_disk.insert(key, value);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state when a commit or sync may go on.
    fn state_to_change(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.let_go.wait_while(self.state(), |state| state.is_held);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if state.fails {
            return Err(StoreError::Io(std::io::Error::other("injected failure")));
        }
        Ok(state)
    }
}

impl State {
    fn sync(&mut self) {
        for changes in std::mem::take(&mut self.unsynced) {
            apply(&mut self.on_disk, &changes);
        }
        self.n_syncs += 1;
    }
}

impl Engine for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state().visible.get(&(table, Bytes::copy_from_slice(key))).cloned())
    }

    fn scan(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan {
        let state = self.state();
        let key = |bytes: &[u8]| (table, Bytes::copy_from_slice(bytes));
        let from = match from {
            Bound::Unbounded => Bound::Included(key(&[])),
            other => other.map(key),
        };
        let found: Vec<_> = state
            .visible
            .range((from, Bound::Unbounded))
            .take_while(|((found, key), _)| {
                *found == table
                    && match to {
                        Bound::Included(to) => **key <= *to,
                        Bound::Excluded(to) => **key < *to,
                        Bound::Unbounded => true,
                    }
            })
            .map(|((_, key), value)| Ok((key.clone(), value.clone())))
            .collect();
        Box::new(found.into_iter())
    }

    fn commit(&self, changes: Vec<Change>, sync: bool) -> Result<(), StoreError> {
        let mut state = self.state_to_change()?;
        apply(&mut state.visible, &changes);
        state.unsynced.push(changes);
        if sync {
            state.sync();
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.state_to_change()?;
        state.sync();
        Ok(())
    }

    fn is_calm(&self) -> bool {
        self.state().is_calm
    }

    fn work_bytes(&self) -> u64 {
        0
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        let state = self.state();
        Ok(state.visible.iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum())
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.state().free_bytes)
    }
}

fn apply(tables: &mut Tables, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(table, key, value) => {
                tables.insert((*table, key.clone()), value.clone());
            }
            Change::Remove(table, key) => {
                tables.remove(&(*table, key.clone()));
            }
        }
    }
}
