//! Shell. The exhaustive search: `stateright` visits every world that can be reached.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc as Shared, Mutex, PoisonError};
use std::time::{Duration, Instant};

use handoff::invariants::Violation;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::Action;
use crate::judge::ALWAYS;
use crate::mutant::Mutant;
use crate::scenario::{Planning, Scenario};
use crate::settle::MAX_STEPS;
use crate::world::World;

/// Locks over the worlds that are known to end well.
const N_SHARDS: usize = 64;

type Known = HashSet<u64, BuildHasherDefault<DefaultHasher>>;

/// A scenario as `stateright` sees it.
pub struct Exploration {
    scenario: Scenario,
    planted: Option<Mutant>,
    /// Fingerprints of worlds that end well without faults.
    ends_well: Vec<Mutex<Known>>,
    /// When nothing more is visited.
    deadline: Option<Instant>,
    /// Whether that has come before the end.
    ran_out: Shared<AtomicBool>,
}

/// What a search has found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Worlds that steps led to, known ones included.
    pub n_states: usize,
    /// Different worlds.
    pub n_unique: usize,
    /// The longest shortest way to one of them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether nothing is left to visit.
    pub is_exhausted: bool,
    /// Which predicate does not hold, what was found, and the steps that lead there.
    pub counterexample: Option<Counterexample>,
}

/// A way to a world that must not be.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What does not hold.
    pub violation: Violation,
    /// What happened, in order.
    pub actions: Vec<Action>,
}

impl Exploration {
    /// Of this scenario, with a rule left out or none.
    #[must_use]
    pub fn new(scenario: Scenario, planted: Option<Mutant>) -> Self {
        let ends_well = (0..N_SHARDS).map(|_| Mutex::default()).collect();
        let (deadline, ran_out) = (None, Shared::default());
        Self { scenario, planted, ends_well, deadline, ran_out }
    }

    /// Visits every world, or until something does not hold, or for so long.
    pub fn search(mut self, n_threads: usize, limit: Option<Duration>) -> Findings {
        let (scenario, planted) = (self.scenario.clone(), self.planted);
        let (began, ran_out) = (Instant::now(), Shared::clone(&self.ran_out));
        self.deadline = limit.map(|limit| began + limit);
        let search = self.checker().threads(n_threads).finish_when(HasDiscoveries::Any);
        let done = search.spawn_bfs().join();
        let took = began.elapsed();
        let counterexample = done.discoveries().into_values().next().map(|path| {
            let violation = match &path.last_state().violation {
                Some(violation) => violation.clone(),
                None => {
                    let exploration = Self::new(scenario.clone(), planted);
                    exploration.ends(path.last_state()).err().unwrap_or_else(|| Violation {
                        invariant: "EventuallyDone",
                        detail: String::new(),
                    })
                }
            };
            Counterexample { violation, actions: path.into_actions() }
        });
        let ran_out = ran_out.load(Ordering::Relaxed);
        Findings {
            n_states: done.state_count(),
            n_unique: done.unique_state_count(),
            depth: done.max_depth(),
            took,
            is_exhausted: counterexample.is_none() && !ran_out,
            counterexample,
        }
    }

    /// EventuallyDone: without faults this world ends well.
    fn ends(&self, world: &World) -> Result<(), Violation> {
        let mut passed = Vec::new();
        let mut now = world.without_faults(&self.scenario);
        for _ in 0..MAX_STEPS {
            let print = print_of(&now);
            if self.is_known(print) {
                self.learn(&passed);
                return Ok(());
            }
            passed.push(print);
            if let Some(action) = now.next_fair(&self.scenario) {
                now =
                    now.after(&self.scenario, self.planted, &action).ok_or_else(|| Violation {
                        invariant: "EventuallyDone",
                        detail: format!("{action:?} changes nothing"),
                    })?;
            } else if matches!(self.scenario.planning, Planning::Planner(_)) {
                let next = now.coordinated(&self.scenario)?;
                if next == now {
                    now.is_done(&self.scenario).map_err(|violation| {
                        let outlook = now.outlook(&self.scenario);
                        let detail = format!("{}; next: {outlook}", violation.detail);
                        Violation { detail, ..violation }
                    })?;
                    self.learn(&passed);
                    return Ok(());
                }
                now = next;
            } else {
                now.is_done(&self.scenario)?;
                self.learn(&passed);
                return Ok(());
            }
            if let Some(violation) = &now.violation {
                return Err(violation.clone());
            }
        }
        let detail = format!("it does not come to rest in {MAX_STEPS} steps");
        Err(Violation { invariant: "EventuallyDone", detail })
    }

    fn shard(&self, print: u64) -> &Mutex<Known> {
        &self.ends_well[usize::try_from(print % N_SHARDS as u64).unwrap_or(0)]
    }

    fn is_known(&self, print: u64) -> bool {
        self.shard(print).lock().unwrap_or_else(PoisonError::into_inner).contains(&print)
    }

    fn learn(&self, passed: &[u64]) {
        for print in passed {
            let mut known = self.shard(*print).lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(*print);
        }
    }
}

fn print_of(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Whether the n-th predicate holds.
fn holds<const N: usize>(_: &Exploration, world: &World) -> bool {
    world.violation.as_ref().is_none_or(|violation| violation.invariant != ALWAYS[N])
}

fn eventually_done(exploration: &Exploration, world: &World) -> bool {
    world.violation.is_some()
        || !exploration.scenario.must_settle
        || exploration.ends(world).is_ok()
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.scenario)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if self.ran_out.load(Ordering::Relaxed) {
            return;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return self.ran_out.store(true, Ordering::Relaxed);
        }
        actions.extend(world.actions(&self.scenario));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.after(&self.scenario, self.planted, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let conditions = [
            holds::<0>,
            holds::<1>,
            holds::<2>,
            holds::<3>,
            holds::<4>,
            holds::<5>,
            holds::<6>,
            holds::<7>,
            holds::<8>,
            holds::<9>,
            holds::<10>,
            holds::<11>,
            holds::<12>,
        ];
        let always = ALWAYS.iter().zip(conditions);
        let mut all: Vec<Property<Self>> =
            always.map(|(name, holds)| Property::always(name, holds)).collect();
        all.push(Property::always("EventuallyDone", eventually_done));
        all
    }
}
