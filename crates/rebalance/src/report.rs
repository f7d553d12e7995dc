//! Pure. The status that people see, from what one round has seen and planned.

use std::collections::{BTreeMap, BTreeSet};

use node_api::{Count, ServerAddresses};
use ring::RingDocument;

use crate::change::reachable;
use crate::plan::{Plan, PlanState};
use crate::status::{ClusterState, ServerRole, ServerStatus};
use crate::view::Observation;
use crate::wish::Wish;

/// What a round knows about servers.
pub(crate) struct Seen<'a> {
    pub(crate) document: Option<&'a RingDocument>,
    pub(crate) wish: &'a Wish,
    pub(crate) addresses: &'a BTreeMap<String, ServerAddresses>,
    pub(crate) observed: &'a BTreeMap<String, Observation>,
    pub(crate) counts: &'a BTreeMap<String, Count>,
}

impl Seen<'_> {
    /// Every server, members in the order of joining first.
    pub(crate) fn servers(&self) -> Vec<ServerStatus> {
        let members = self.document.iter().flat_map(|document| &document.members);
        let leaving = self.document.iter().flat_map(|document| &document.leaving);
        let listed = members.chain(leaving).map(|member| &member.name);
        let others = self.wish.members.iter().chain(self.addresses.keys());
        let mut told = BTreeSet::new();
        listed
            .chain(others)
            .filter(|name| told.insert(*name))
            .map(|name| self.server(name))
            .collect()
    }

    fn server(&self, name: &str) -> ServerStatus {
        let state = reachable(self.observed, name);
        let count = self.counts.get(name).copied().unwrap_or_default();
        let error = match self.observed.get(name) {
            Some(Observation::Unreachable(why)) => Some(why.clone()),
            _ => state.and_then(|state| state.admission_error.clone()),
        };
        ServerStatus {
            name: name.to_owned(),
            incarnation: state.map(|state| state.server.incarnation.to_string()),
            address: self.addresses.get(name).map(|addresses| addresses.resp.clone()),
            ready: state.is_some_and(|state| state.admitted),
            role: self.role(name),
            keys: count.keys,
            bytes: count.bytes,
            arc_share: state.map_or(0.0, |state| state.owned.arcs().share()),
            error,
        }
    }

    fn role(&self, name: &str) -> ServerRole {
        let wanted = self.wish.members.iter().any(|member| member == name);
        let is_member = self.document.is_some_and(|document| document.member(name).is_some());
        match (is_member, wanted) {
            (true, true) => ServerRole::Member,
            (false, true) => ServerRole::Joining,
            (false, false) if self.is_retired(name) => ServerRole::Retired,
            _ => ServerRole::Leaving,
        }
    }

    /// Servers whose process and volume may go.
    pub(crate) fn removable(&self) -> BTreeSet<String> {
        self.addresses
            .keys()
            .filter(|name| self.role(name) == ServerRole::Retired)
            .filter(|name| !self.wish.departing.contains(*name))
            .cloned()
            .collect()
    }

    fn is_retired(&self, name: &str) -> bool {
        let leaving = self
            .document
            .is_some_and(|document| document.leaving.iter().any(|member| member.name == name));
        !leaving
            && reachable(self.observed, name)
                .is_some_and(|state| state.retired.is_some() && state.owned.is_empty())
    }
}

/// The state of the cluster; a change that waits for something is not converged.
pub(crate) fn cluster_state(plan: &Plan, is_waiting: bool) -> ClusterState {
    match plan.state {
        PlanState::Bootstrapping => ClusterState::Bootstrapping,
        PlanState::Converged if is_waiting => ClusterState::Blocked,
        PlanState::Converged => ClusterState::Converged,
        PlanState::Moving => ClusterState::Moving,
        PlanState::Blocked => ClusterState::Blocked,
        PlanState::Lost => ClusterState::Lost,
        PlanState::Superseded { .. } => ClusterState::Superseded,
    }
}
