//! Pure. Which cases there are, by what a run without faults has shown.

use std::collections::BTreeMap;

use e2e::fault::{Fault, HARMS};

use crate::bench::Seen;
use crate::workflow::{Case, Workflow};

/// With a fault there may be more requests than without: so many are tried beyond.
const BEYOND: u32 = 2;
/// Kinds from which the operator concludes what to do.
const TELLING: [&str; 5] =
    ["kvclusters", "statefulsets", "pods", "persistentvolumeclaims", "secrets"];
/// A short run tries every so many-th event and stale list.
const SHORT_STRIDE: usize = 7;

/// Every case of these workflows. In a short run each request meets half of the harms, the next
/// one the other half.
pub(crate) fn cases(references: &BTreeMap<Workflow, Seen>, is_whole: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (workflow, seen) in references {
        let with = |fault| Case { workflow: *workflow, fault: Some(fault) };
        let changes = u32::try_from(seen.changes.len()).unwrap_or(u32::MAX);
        let harms = |k: u32| HARMS.into_iter().zip(k..).filter(|(_, n)| is_whole || n % 2 == 0);
        let requests = (1..=changes.saturating_add(BEYOND))
            .flat_map(|k| harms(k).map(move |(harm, _)| with(Fault::Request(harm, k))));
        cases.extend(requests);
        let telling = |kind: &str| TELLING.into_iter().find(|one| *one == kind);
        let watched = seen.events.iter().filter_map(|(kind, n)| Some((telling(kind)?, *n)));
        let unseen = watched.clone().flat_map(|(kind, n)| (1..=n).map(move |k| (kind, k)));
        let unseen = unseen.flat_map(|(kind, k)| [Fault::Unseen(kind, k), Fault::Late(kind, k)]);
        let stale = (1..=changes).flat_map(|k| TELLING.map(|kind| Fault::Stale(kind, k)));
        let stride = if is_whole { 1 } else { SHORT_STRIDE };
        cases.extend(unseen.step_by(stride).map(with));
        cases.extend(stale.step_by(stride).map(with));
    }
    cases
}
