//! Pure. For tests: what source and target of a handoff say to each other, step by step.

use handoff::{
    Decisions, HandoffId, Side, SourceEvent, SourceFacts, SourceState, TargetEvent, TargetFacts,
    TargetState,
};

use super::{World, terms};

impl World {
    pub(crate) fn cancel(&mut self, server: &str, id: HandoffId) {
        let Some(node) = self.node_up(server) else { return };
        let Some(handoff) = node.handoffs().get(&id).cloned() else { return };
        if node.check_cancel(id).is_err() {
            return;
        }
        match handoff.side {
            Side::Target(_) => {
                let terms = terms(&handoff.peer, handoff.arcs, handoff.epoch);
                let facts = TargetFacts::default();
                node.target_event(id, &terms, TargetEvent::Cancel, &facts).unwrap();
            }
            Side::Source(state) => {
                let facts = SourceFacts::default();
                node.source_event(id, SourceEvent::Cancel, &facts).unwrap();
                if state == SourceState::Frozen {
                    self.exchange(server, id, true);
                }
            }
        }
    }

    /// Every handoff takes a step, or does not.
    pub(crate) fn progress(&mut self) {
        let open: Vec<(String, HandoffId)> = self
            .nodes
            .iter()
            .flat_map(|(name, node)| {
                let handoffs = node.handoffs().iter();
                handoffs
                    .filter(|(_, one)| !one.side.is_finished() && one.source().is_some())
                    .map(|(id, _)| (name.clone(), *id))
            })
            .collect();
        for (source, id) in open {
            if self.below(6) == 0 {
                self.exchange(&source, id, false);
            }
        }
        for node in self.nodes.values_mut() {
            for id in node.with_dead_peer() {
                tell_peer_is_dead(node, id);
            }
            for trim in node.trims().to_vec() {
                node.trimmed(trim.id, trim.kind, &trim.arcs);
            }
        }
    }

    /// What source and target of a handoff say to each other next.
    fn exchange(&mut self, source: &str, id: HandoffId, decide_now: bool) {
        let Some(handoff) = self.nodes[source].handoffs().get(&id).cloned() else { return };
        let (Some(state), peer) = (handoff.source(), &handoff.peer) else { return };
        let server = self.nodes[source].server().clone();
        if self.down.contains(source)
            || self.down.contains(&peer.name)
            || self.nodes[&peer.name].server() != peer
        {
            return;
        }
        let told = terms(&server, handoff.arcs.clone(), handoff.epoch);
        let reached = self.below(2) == 0;
        let event = match state {
            SourceState::Copying => TargetEvent::Hello,
            SourceState::Frozen if decide_now && !reached => TargetEvent::DecideNow,
            SourceState::Frozen => TargetEvent::Reached,
            SourceState::Given => TargetEvent::Given,
            SourceState::Dropped => TargetEvent::Dropped,
            SourceState::GivenSettled | SourceState::DroppedSettled => return,
        };
        let target = self.nodes.get_mut(&peer.name).unwrap();
        let facts = TargetFacts::default();
        let event = match (event, target.handoffs().contains_key(&id)) {
            (TargetEvent::Reached, false) => TargetEvent::Decide,
            (event, _) => event,
        };
        let (answer, _) = target.target_event(id, &told, event, &facts).unwrap();
        // The answer may get lost on its way.
        if self.below(4) == 0 {
            return;
        }
        let event = match (state, answer) {
            (SourceState::Given | SourceState::Dropped, _) => SourceEvent::Settled,
            (_, TargetState::Owned | TargetState::OwnedSettled) => SourceEvent::Yes,
            (_, TargetState::Refused) => SourceEvent::No,
            (SourceState::Copying, _) => SourceEvent::CaughtUp,
            _ => SourceEvent::NotYet,
        };
        let node = self.nodes.get_mut(source).unwrap();
        node.source_event(id, event, &SourceFacts::default()).unwrap();
    }
}

fn tell_peer_is_dead(node: &mut Decisions, id: HandoffId) {
    let handoff = node.handoffs()[&id].clone();
    match handoff.side {
        Side::Source(_) => {
            let facts = SourceFacts::default();
            node.source_event(id, SourceEvent::TargetDead, &facts).unwrap();
        }
        Side::Target(_) => {
            let terms = terms(&handoff.peer, handoff.arcs, handoff.epoch);
            let facts = TargetFacts::default();
            node.target_event(id, &terms, TargetEvent::SourceDead, &facts).unwrap();
        }
    }
}
