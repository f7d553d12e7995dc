use std::time::Duration;

use handoff::MAX_TERM;
use ring::{Phase, RingDocument};

use super::*;
use crate::world::{CLUSTER, Fault};

mod nodes;

use nodes::Nodes;

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn settled(coordinator: &Coordinator) -> Arc<Status> {
    let converged = tokio::time::timeout(PATIENCE, coordinator.converged()).await;
    converged.unwrap_or_else(|_| panic!("not converged: {:#?}", coordinator.status()))
}

async fn status_with(coordinator: &Coordinator, fits: impl Fn(&Status) -> bool) -> Arc<Status> {
    let mut status = coordinator.watch_status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(|status| fits(status))).await;
    match found {
        Ok(status) => Arc::clone(&status.unwrap()),
        Err(_) => panic!("it never came to that: {:#?}", coordinator.status()),
    }
}

/// Servers `kv-0` and so on with a first ring.
async fn cluster(servers: usize) -> (Nodes, Coordinator) {
    let nodes = Nodes::new();
    let names: Vec<String> = (0..servers).map(|number| format!("kv-{number}")).collect();
    for name in &names {
        nodes.start(name).await;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let coordinator = nodes.coordinator(&names).await;
    settled(&coordinator).await;
    (nodes, coordinator)
}

#[tokio::test]
async fn a_first_ring_is_made_once_every_first_member_answers() {
    let nodes = Nodes::new();
    nodes.start("kv-0").await;
    let coordinator = nodes.coordinator(&["kv-0", "kv-1"]).await;
    let waiting = status_with(&coordinator, |status| !status.reasons.is_empty()).await;
    assert!(waiting.reasons[0].contains("kv-1"), "{:?}", waiting.reasons);
    assert_eq!(waiting.epoch, 0);

    nodes.start("kv-1").await;
    let status = settled(&coordinator).await;
    assert_eq!(nodes.world().document.phase, Phase::Bootstrapped);
    assert_eq!(status.servers.len(), 2);
    assert!(status.servers.iter().all(|one| one.ready && one.role == ServerRole::Member));
    assert_eq!(status.rebalance, None);
    let membership = coordinator.watch_membership().borrow().clone().unwrap();
    assert_eq!(membership.document, nodes.world().document);
    assert_eq!(membership.servers.len(), 2);
}

#[tokio::test]
async fn servers_come_and_go() {
    let (nodes, coordinator) = cluster(3).await;
    nodes.scale(&coordinator, 5).await.unwrap();
    let status = settled(&coordinator).await;
    let last = status.last_rebalance.clone().unwrap();
    assert_eq!((last.from, last.to), (3, 5));
    assert!(last.pairs.iter().all(|pair| pair.target == "kv-3" || pair.target == "kv-4"));
    assert_eq!(last.keys_moved, last.keys_total);

    coordinator.remove_server(Some("kv-1")).unwrap();
    let status = settled(&coordinator).await;
    let last = status.last_rebalance.clone().unwrap();
    assert_eq!((last.from, last.to), (5, 4));
    assert!(last.pairs.iter().all(|pair| pair.source == "kv-1"));

    let mut removable = coordinator.watch_removable();
    let names = tokio::time::timeout(PATIENCE, removable.wait_for(|names| !names.is_empty()));
    assert_eq!(names.await.unwrap().unwrap().iter().collect::<Vec<_>>(), ["kv-1"]);
    assert!(!coordinator.claim_removal("kv-2"), "it is a member");
    assert!(coordinator.claim_removal("kv-1"));
    assert!(!coordinator.watch_wanted().borrow().contains("kv-1"));
    assert!(matches!(coordinator.add_server(Some("kv-1")), Err(ChangeError::BeingRemoved(_))));
    nodes.remove("kv-1");
    status_with(&coordinator, |status| status.servers.len() == 4).await;
    coordinator.add_server(Some("kv-1")).unwrap();
    nodes.start_wanted(&coordinator).await;
    assert_eq!(settled(&coordinator).await.servers.len(), 5);
}

#[tokio::test]
async fn nothing_is_written_once_converged() {
    let (nodes, coordinator) = cluster(2).await;
    let before = nodes.world().nodes.clone();
    let mut status = coordinator.watch_status();
    status.mark_unchanged();
    nodes.world().down.insert("kv-0".to_owned());
    status_with(&coordinator, |status| status.state == ClusterState::Blocked).await;
    nodes.world().down.clear();
    settled(&coordinator).await;
    assert_eq!(nodes.world().nodes, before);
}

#[tokio::test]
async fn another_coordinator_goes_on_where_one_was_stopped() {
    let (nodes, coordinator) = cluster(3).await;
    nodes.scale(&coordinator, 6).await.unwrap();
    status_with(&coordinator, |status| status.rebalance.is_some()).await;
    drop(coordinator);

    let coordinator = nodes.coordinator(&[]).await;
    let status = settled(&coordinator).await;
    assert_eq!(status.servers.len(), 6);
    assert_eq!(nodes.world().document.term, 2);
}

#[tokio::test]
async fn a_coordinator_that_is_superseded_stops() {
    let (nodes, first) = cluster(2).await;
    let second = nodes.coordinator(&[]).await;
    settled(&second).await;
    let status = status_with(&first, |one| one.state == ClusterState::Superseded).await;
    assert!(status.reasons[0].contains("another coordinator"), "{:?}", status.reasons);
    nodes.scale(&second, 3).await.unwrap();
    settled(&second).await;
}

#[tokio::test]
async fn a_document_that_somebody_else_has_replaced_is_left_to_a_new_coordinator() {
    let (nodes, first) = cluster(2).await;
    nodes.world().document.term += 5;
    nodes.scale(&first, 3).await.unwrap();
    let status = status_with(&first, |one| one.state == ClusterState::Superseded).await;
    assert!(status.reasons[0].contains("changed by another coordinator"), "{:?}", status.reasons);
    assert_eq!(nodes.world().document.members.len(), 2);

    let second = nodes.coordinator(&[]).await;
    nodes.scale(&second, 3).await.unwrap();
    assert_eq!(settled(&second).await.servers.len(), 3);
}

#[tokio::test]
async fn no_term_comes_after_the_highest() {
    let (nodes, coordinator) = cluster(2).await;
    drop(coordinator);
    nodes.world().document.term = MAX_TERM - 1;
    let last = nodes.coordinator(&[]).await;
    settled(&last).await;
    drop(last);
    let coordinator = nodes.coordinator(&[]).await;
    let status = status_with(&coordinator, |status| !status.reasons.is_empty()).await;
    assert!(status.reasons[0].contains("the highest is"), "{:?}", status.reasons);
    assert_eq!(nodes.world().document.term, MAX_TERM);
}

#[tokio::test]
async fn a_preview_counts_and_moves_nothing() {
    let (nodes, coordinator) = cluster(2).await;
    let before = nodes.world().document.clone();
    let preview = coordinator.preview(4).await.unwrap();
    assert_eq!((preview.from, preview.to), (2, 4));
    assert_eq!(preview.joining, ["kv-2", "kv-3"]);
    assert_eq!(preview.moves.len(), 4);
    assert!(preview.keys > 40_000 && preview.keys < 60_000, "{}", preview.keys);
    assert!(preview.refused.is_empty(), "{:?}", preview.refused);
    assert!(matches!(coordinator.preview(0).await, Err(ChangeError::Replicas(0))));

    nodes.world().disk_free_bytes = 1_000;
    status_with(&coordinator, |status| status.state == ClusterState::Converged).await;
    // The free space is that of the last look.
    let refused = async {
        loop {
            let preview = coordinator.preview(1).await.unwrap();
            if !preview.refused.is_empty() {
                return preview.refused;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(refused[0].contains("kv-0 would receive"), "{refused:?}");
    assert_eq!(nodes.world().document, before);
}

#[tokio::test]
async fn a_change_waits_for_space_at_its_receivers() {
    let (nodes, coordinator) = cluster(2).await;
    nodes.world().disk_free_bytes = 1_000;
    nodes.scale(&coordinator, 3).await.unwrap();
    let is_refused =
        |status: &Status| status.reasons.iter().any(|reason| reason.contains("kv-2 would receive"));
    status_with(&coordinator, is_refused).await;
    assert_eq!(nodes.world().document.members.len(), 2);
    coordinator.set_replicas(2).unwrap();
    settled(&coordinator).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_holds_up_no_change_for_long() {
    let (nodes, coordinator) = cluster(2).await;
    nodes.world().counts_lost = 1;
    nodes.scale(&coordinator, 3).await.unwrap();
    settled(&coordinator).await;
    assert_eq!(nodes.world().document.members.len(), 3);
    assert_eq!(nodes.world().counts_lost, 0, "a count was asked for");
}

#[tokio::test]
async fn a_lost_document_is_rebuilt_from_the_nodes() {
    let (nodes, coordinator) = cluster(3).await;
    drop(coordinator);
    let before = nodes.world().document.clone();
    nodes.world().commits = 0;
    let coordinator = nodes.coordinator(&["kv-0", "kv-1", "kv-2"]).await;
    settled(&coordinator).await;
    assert_eq!(nodes.world().document.members, before.members);
    assert_eq!(nodes.world().document.phase, Phase::Bootstrapped);
}

#[tokio::test]
async fn what_one_server_alone_recorded_was_not_committed() {
    let (nodes, coordinator) = cluster(3).await;
    drop(coordinator);
    let before = nodes.world().document.clone();
    let proposed = before.with_member_removed("kv-2").unwrap();
    nodes.world().nodes.get_mut("kv-0").unwrap().record_ring(proposed).unwrap();
    nodes.world().commits = 0;
    let coordinator = nodes.coordinator(&["kv-0", "kv-1", "kv-2"]).await;
    settled(&coordinator).await;
    assert_eq!(nodes.world().document.members, before.members);
}

#[tokio::test]
async fn a_document_of_another_cluster_is_refused() {
    let (nodes, coordinator) = cluster(1).await;
    drop(coordinator);
    nodes.world().document.cluster = "f".repeat(32);
    let (config, store) = (CoordinatorConfig::new(CLUSTER, vec![]), nodes.store());
    let error = Coordinator::start(config, store, nodes.directory()).await.err().unwrap();
    assert!(error.to_string().contains("belongs to cluster ffff"), "{error}");
}

#[tokio::test]
async fn a_loss_is_accepted_by_name_and_incarnation() {
    let (nodes, coordinator) = cluster(3).await;
    let server = nodes.world().nodes["kv-1"].server().clone();
    let early = coordinator.accept_data_loss(server.clone());
    assert!(matches!(early, Err(ChangeError::NotLost { .. })));

    nodes.world().fault(Fault::Wiped("kv-1".to_owned()));
    let status = status_with(&coordinator, |one| one.state == ClusterState::Lost).await;
    assert_eq!(status.lost[0].server, server);
    coordinator.accept_data_loss(server).unwrap();
    let is_made_good =
        |status: &Status| status.state == ClusterState::Converged && status.lost.is_empty();
    status_with(&coordinator, is_made_good).await;
    assert!(nodes.world().document.dead[0].settled);
}

#[tokio::test]
async fn a_change_that_was_asked_for_after_a_loss_does_not_keep_it_from_being_accepted() {
    let (nodes, coordinator) = cluster(3).await;
    let server = nodes.world().nodes["kv-1"].server().clone();
    nodes.world().fault(Fault::Wiped("kv-1".to_owned()));
    status_with(&coordinator, |one| one.state == ClusterState::Lost).await;
    nodes.scale(&coordinator, 4).await.unwrap();
    let waits = |status: &Status| status.reasons.iter().any(|one| one.contains("another volume"));
    status_with(&coordinator, waits).await;
    let epoch = nodes.world().document.epoch;
    let recorded = nodes.world().nodes["kv-0"].ring_epoch();
    assert_eq!(recorded, epoch, "what cannot be committed is recorded by nobody");

    // As a coordinator leaves it that ended while it committed.
    let request = RingDocument { epoch: epoch + 1, ..nodes.world().document.clone() };
    nodes.world().nodes.get_mut("kv-0").unwrap().record_ring(request).unwrap();
    coordinator.accept_data_loss(server).unwrap();
    let is_made_good =
        |status: &Status| status.state == ClusterState::Converged && status.servers.len() == 4;
    let status = status_with(&coordinator, is_made_good).await;
    assert!(status.lost.is_empty());
    assert!(nodes.world().document.epoch > epoch + 1);
}

#[tokio::test]
async fn counts_are_taken_when_asked_for() {
    let (_nodes, coordinator) = cluster(2).await;
    assert_eq!(coordinator.status().servers[0].keys, 0);
    let status = coordinator.status_counted(Duration::ZERO).await;
    let keys: u64 = status.servers.iter().map(|server| server.keys).sum();
    assert!((99_990..=100_000).contains(&keys), "{keys}");
}
