use rebalance::{HandoffProgress, HandoffState, Rebalance};
use ring::Placement;

use super::*;
use crate::facts::SetFacts;

const OLD: &str = "demo-old";
const NEW: &str = "demo-new";
const ID: &str = "0123456789abcdef0123456789abcdef";

/// A cluster `demo` as it is seen; every test changes what it is about.
struct Case {
    replicas: i32,
    when_scaled: PvcRetention,
    when_deleted: PvcRetention,
    facts: Facts,
    document: Option<RingDocument>,
    status: Status,
    /// What the coordinator has taken note of, if not what is wanted.
    wished: Option<Vec<String>>,
}

fn names() -> Names<'static> {
    Names("demo")
}

fn server(ordinal: i32) -> String {
    names().server(ordinal)
}

fn incarnation(server: &str) -> String {
    let ordinal = names().ordinal(server).unwrap_or(99);
    format!("{ordinal:032x}")
}

/// So many servers at rest.
fn at_rest(servers: i32) -> Case {
    let all: Vec<String> = (0..servers).map(server).collect();
    let ids: Vec<String> = all.iter().map(|name| incarnation(name)).collect();
    let members = all.iter().map(String::as_str).zip(ids.iter().map(String::as_str));
    let document = RingDocument::bootstrap(&"a".repeat(32), Placement::Classic, 10, members);
    let mut case = Case {
        replicas: servers,
        when_scaled: PvcRetention::Delete,
        when_deleted: PvcRetention::Retain,
        facts: Facts {
            stateful_set: Some(SetFacts {
                resource_version: Some("5".to_owned()),
                replicas: servers,
                update_revision: Some(NEW.to_owned()),
                claim_size: Some("1Gi".to_owned()),
            }),
            routers_available: 2,
            ..Facts::default()
        },
        document: document.ok().map(|document| document.bootstrapped()),
        status: Status { state: ClusterState::Converged, ..Status::default() },
        wished: None,
    };
    for name in all {
        case.run(&name, ServerRole::Member);
    }
    case
}

impl Case {
    /// The server runs, is ready, and has a volume.
    fn run(&mut self, server: &str, role: ServerRole) {
        let pod = PodFacts {
            uid: format!("uid-{server}"),
            revision: NEW.to_owned(),
            is_ready: true,
            address: Some("10.0.0.1".to_owned()),
            ..PodFacts::default()
        };
        self.facts.pods.insert(server.to_owned(), pod);
        let claim = ClaimFacts {
            name: format!("data-{server}"),
            uid: format!("uid-of-{server}"),
            resource_version: "7".to_owned(),
            is_bound: true,
            size: "1Gi".to_owned(),
            cluster_id: Some(ID.to_owned()),
            ..ClaimFacts::default()
        };
        self.facts.claims.insert(server.to_owned(), claim);
        self.status.servers.retain(|one| one.name != server);
        self.status.servers.push(ServerStatus {
            name: server.to_owned(),
            incarnation: Some(incarnation(server)),
            ready: true,
            role,
            ..ServerStatus::default()
        });
    }

    /// The server has left the ring, and is now of that role.
    fn left(&mut self, server: &str, role: ServerRole) {
        self.document = self.document.take().map(|mut document| {
            document.members.retain(|member| member.name != server);
            document
        });
        self.server(server).role = role;
    }

    fn server(&mut self, server: &str) -> &mut ServerStatus {
        self.status.servers.iter_mut().find(|one| one.name == server).expect("a server")
    }

    fn pod(&mut self, server: &str) -> &mut PodFacts {
        self.facts.pods.get_mut(server).expect("a pod")
    }

    fn claim(&mut self, server: &str) -> &mut ClaimFacts {
        self.facts.claims.get_mut(server).expect("a claim")
    }

    fn pods(&mut self, replicas: i32) {
        self.facts.stateful_set.as_mut().expect("a StatefulSet").replicas = replicas;
    }

    fn plan(&self) -> Plan {
        let wished = self.wished.clone();
        let wished = wished.unwrap_or_else(|| (0..self.replicas).map(server).collect());
        let status = Status { wished, ..self.status.clone() };
        plan(&PlanInput {
            names: names(),
            replicas: self.replicas,
            when_scaled: self.when_scaled,
            when_deleted: self.when_deleted,
            uid: "uid-of-demo",
            cluster_id: ID,
            storage_bytes: 1 << 30,
            facts: &self.facts,
            document: self.document.as_ref(),
            status: &status,
        })
    }

    fn check(&self, members: i32, pods: i32, steps: &[&str]) {
        let plan = self.plan();
        assert_eq!(plan.members, (0..members).map(server).collect::<Vec<_>>(), "members");
        assert_eq!(plan.pods, pods, "pods");
        assert_eq!(plan.steps.iter().map(word).collect::<Vec<_>>(), steps, "steps");
    }
}

fn word(step: &Step) -> String {
    match step {
        Step::MarkRetired { server, .. } => format!("mark {server}"),
        Step::OwnClaim { claim, is_owned: true } => format!("own {}", claim.name),
        Step::OwnClaim { claim, .. } => format!("disown {}", claim.name),
        Step::Unmark { server, .. } => format!("unmark {server}"),
        Step::DeleteClaim { server, .. } => format!("delete volume of {server}"),
        Step::GrowClaim { server, .. } => format!("grow volume of {server}"),
        Step::ReplacePod { server, is_broken: true, .. } => format!("replace broken {server}"),
        Step::ReplacePod { server, .. } => format!("replace {server}"),
    }
}

#[test]
fn at_rest_there_is_nothing_to_do() {
    at_rest(3).check(3, 3, &[]);
}

#[test]
fn pods_come_first_when_it_grows() {
    let mut case = at_rest(3);
    case.replicas = 5;
    case.check(5, 5, &[]);
    case.facts = Facts::default();
    case.document = None;
    case.check(5, 5, &[]);
}

#[test]
fn a_leaver_keeps_its_pod_until_it_has_retired() {
    let mut case = at_rest(3);
    case.replicas = 2;
    case.check(2, 3, &[]);
    case.left("demo-2", ServerRole::Leaving);
    case.check(2, 3, &[]);
    case.server("demo-2").role = ServerRole::Retired;
    case.check(2, 3, &["mark demo-2"]);
    case.claim("demo-2").retired = Some(incarnation("demo-2"));
    case.check(2, 2, &[]);
}

#[test]
fn a_former_member_that_is_still_listed_keeps_its_pod_even_if_it_does_not_answer() {
    let mut case = at_rest(3);
    case.replicas = 2;
    case.document = case
        .document
        .map(|document| document.with_member_removed("demo-2").expect("it is a member"));
    case.server("demo-2").role = ServerRole::Leaving;
    case.server("demo-2").incarnation = None;
    case.facts.pods.remove("demo-2");
    case.check(2, 3, &[]);
}

#[test]
fn a_volume_goes_after_its_pod_and_only_if_its_server_retired() {
    let mut case = at_rest(3);
    case.replicas = 2;
    case.left("demo-2", ServerRole::Retired);
    case.claim("demo-2").retired = Some(incarnation("demo-2"));
    case.pods(2);
    case.check(2, 2, &[]);
    case.facts.pods.remove("demo-2");
    case.status.servers.pop();
    case.check(2, 2, &["delete volume of demo-2"]);
    case.when_scaled = PvcRetention::Retain;
    case.check(2, 2, &[]);
    case.when_scaled = PvcRetention::Delete;
    case.claim("demo-2").retired = None;
    case.check(2, 2, &[]);
}

#[test]
fn a_claim_that_is_bound_only_after_its_pod_went_goes_too() {
    let mut case = at_rest(3);
    case.run("demo-3", ServerRole::Leaving);
    case.pods(4);
    case.status.servers.pop();
    case.pod("demo-3").address = None;
    case.claim("demo-3").is_bound = false;
    case.check(3, 4, &["mark demo-3"]);
    case.claim("demo-3").retired = Some(UNUSED.to_owned());
    case.check(3, 3, &[]);
    case.pods(3);
    case.facts.pods.remove("demo-3");
    case.claim("demo-3").is_bound = true;
    case.check(3, 3, &["delete volume of demo-3"]);
}

#[test]
fn a_claim_that_is_made_after_its_pod_was_taken_back_is_marked_before_it_is_bound() {
    let mut case = at_rest(3);
    case.run("demo-3", ServerRole::Leaving);
    case.status.servers.pop();
    case.facts.pods.remove("demo-3");
    case.claim("demo-3").is_bound = false;
    case.check(3, 3, &["mark demo-3"]);
    case.claim("demo-3").retired = Some(UNUSED.to_owned());
    case.check(3, 3, &["delete volume of demo-3"]);
    // Somebody else's claim is left alone, and so is everything while volumes are still read.
    case.claim("demo-3").retired = None;
    case.claim("demo-3").cluster_id = None;
    case.check(3, 3, &[]);
    case.claim("demo-3").cluster_id = Some(ID.to_owned());
    case.document = None;
    case.check(3, 3, &[]);
    // Wanted again, it loses the mark.
    let mut case = at_rest(4);
    case.claim("demo-3").is_bound = false;
    case.claim("demo-3").retired = Some(UNUSED.to_owned());
    case.check(4, 4, &["unmark demo-3"]);
}

#[test]
fn a_volume_is_kept_and_unmarked_when_its_server_is_wanted_again() {
    let mut case = at_rest(3);
    case.left("demo-2", ServerRole::Retired);
    case.claim("demo-2").retired = Some(incarnation("demo-2"));
    case.check(2, 3, &["unmark demo-2"]);
    case.claim("demo-2").retired = None;
    case.check(3, 3, &[]);
}

#[test]
fn a_server_waits_for_the_end_of_the_volume_before() {
    let mut case = at_rest(2);
    case.replicas = 4;
    case.run("demo-2", ServerRole::Joining);
    case.facts.pods.remove("demo-2");
    case.claim("demo-2").is_terminating = true;
    let plan = case.plan();
    assert_eq!((plan.pods, plan.members), (2, vec![server(0), server(1), server(3)]));
}

#[test]
fn a_pod_that_never_ran_leaves_without_being_waited_for() {
    let mut case = at_rest(3);
    case.run("demo-3", ServerRole::Leaving);
    case.pods(4);
    case.server("demo-3").incarnation = None;
    case.pod("demo-3").address = None;
    case.claim("demo-3").retired = Some(UNUSED.to_owned());
    case.check(3, 3, &[]);
    // It is not in the coordinator's list at all.
    case.status.servers.pop();
    case.check(3, 3, &[]);
    // As long as not every point is known to have an owner, it might be one.
    case.status.state = ClusterState::Blocked;
    case.check(3, 4, &[]);
    case.status.state = ClusterState::Starting;
    case.check(3, 4, &[]);
}

#[test]
fn nothing_is_taken_away_before_the_coordinator_has_heard() {
    let mut case = at_rest(3);
    case.when_scaled = PvcRetention::Retain;
    case.replicas = 2;
    case.left("demo-2", ServerRole::Retired);
    case.wished = Some((0..3).map(server).collect());
    case.check(2, 3, &[]);
    case.wished = None;
    case.check(2, 2, &[]);
}

#[test]
fn a_volume_that_was_made_for_a_server_that_never_joined_goes_too() {
    let mut case = at_rest(3);
    case.run("demo-3", ServerRole::Leaving);
    case.pods(4);
    case.server("demo-3").incarnation = None;
    case.check(3, 4, &["mark demo-3"]);
    case.claim("demo-3").retired = Some(UNUSED.to_owned());
    case.check(3, 3, &[]);
    // Somebody else's volume is left alone.
    case.claim("demo-3").retired = None;
    case.claim("demo-3").cluster_id = None;
    case.check(3, 3, &[]);
    case.pods(3);
    case.facts.pods.remove("demo-3");
    case.check(3, 3, &[]);
}

#[test]
fn volumes_go_with_the_cluster_only_if_they_shall() {
    let mut case = at_rest(2);
    case.when_deleted = PvcRetention::Delete;
    case.claim("demo-0").owners = vec!["uid-of-demo".to_owned()];
    case.check(2, 2, &["own data-demo-1"]);
    case.claim("demo-1").is_bound = false;
    case.check(2, 2, &[]);
    case.pod("demo-1").trouble = Some("it is not scheduled".to_owned());
    case.check(2, 2, &["own data-demo-1"]);
    case.when_deleted = PvcRetention::Retain;
    case.check(2, 2, &["disown data-demo-0"]);
}

#[test]
fn only_the_highest_pods_go_and_one_that_may_not_go_keeps_those_below() {
    let mut case = at_rest(5);
    case.replicas = 2;
    case.when_scaled = PvcRetention::Retain;
    for name in ["demo-2", "demo-4"] {
        case.left(name, ServerRole::Retired);
    }
    case.check(2, 4, &[]);
    case.left("demo-3", ServerRole::Leaving);
    case.check(2, 4, &[]);
    case.server("demo-3").role = ServerRole::Retired;
    case.check(2, 2, &[]);
}

#[test]
fn pods_that_somebody_took_away_come_back() {
    let mut case = at_rest(5);
    case.pods(2);
    case.facts.pods.remove("demo-4");
    case.check(5, 5, &[]);
}

#[test]
fn without_a_ring_document_every_volume_is_read() {
    let mut case = at_rest(5);
    case.replicas = 2;
    case.document = None;
    case.status = Status::default();
    case.check(2, 5, &[]);
    case.facts.stateful_set = None;
    case.check(2, 5, &[]);
}

#[test]
fn pods_are_replaced_one_at_a_time_the_highest_first() {
    let mut case = at_rest(3);
    for ordinal in 0..3 {
        case.pod(&server(ordinal)).revision = OLD.to_owned();
    }
    case.check(3, 3, &["replace demo-2"]);
    case.pod("demo-2").is_terminating = true;
    case.check(3, 3, &[]);
    assert_eq!(case.plan().outdated_pods, 3);
    case.pod("demo-2").is_terminating = false;
    case.pod("demo-2").revision = NEW.to_owned();
    case.pod("demo-2").is_ready = false;
    case.check(3, 3, &[]);
    case.pod("demo-2").is_ready = true;
    case.server("demo-2").ready = false;
    case.check(3, 3, &[]);
    case.server("demo-2").ready = true;
    case.check(3, 3, &["replace demo-1"]);
    assert_eq!(case.plan().outdated_pods, 2);
}

#[test]
fn a_pod_whose_claim_is_being_deleted_is_not_replaced() {
    let mut case = at_rest(2);
    case.pod("demo-1").revision = OLD.to_owned();
    case.claim("demo-1").is_terminating = true;
    case.check(2, 2, &[]);
}

#[test]
fn no_pod_is_replaced_while_something_moves() {
    let mut case = at_rest(3);
    case.pod("demo-0").revision = OLD.to_owned();
    let handoff = HandoffProgress {
        id: handoff::HandoffId(1),
        source: server(0),
        target: server(1),
        state: HandoffState::Copying,
        arc_share: 0.1,
        keys_moved: 0,
        keys_total: 0,
        bytes_moved: 0,
        bytes_total: 0,
        error: None,
    };
    case.status.rebalance = Some(Rebalance { handoffs: vec![handoff], ..Rebalance::default() });
    case.check(3, 3, &[]);
    if let Some(open) = &mut case.status.rebalance {
        open.handoffs.iter_mut().for_each(|one| one.state = HandoffState::Done);
    }
    case.check(3, 3, &["replace demo-0"]);
}

#[test]
fn a_broken_pod_is_replaced_only_if_its_specification_is_superseded() {
    let mut case = at_rest(3);
    case.pod("demo-1").is_ready = false;
    case.pod("demo-1").trouble = Some("ImagePullBackOff".to_owned());
    case.server("demo-1").ready = false;
    case.check(3, 3, &[]);
    case.pod("demo-1").revision = OLD.to_owned();
    case.pod("demo-2").revision = OLD.to_owned();
    case.check(3, 3, &["replace broken demo-1"]);
    // One that runs, or is merely not ready, may be recovering.
    case.pod("demo-1").is_running = true;
    case.check(3, 3, &[]);
    case.pod("demo-1").trouble = None;
    case.check(3, 3, &[]);
}

#[test]
fn volumes_grow_and_never_shrink() {
    let mut case = at_rest(2);
    case.claim("demo-0").size = "512Mi".to_owned();
    case.claim("demo-1").size = "2Gi".to_owned();
    case.check(2, 2, &["grow volume of demo-0"]);
    case.claim("demo-0").is_bound = false;
    case.check(2, 2, &[]);
}

#[test]
fn quantities_are_compared_in_bytes() {
    let check = |quantity, expected| assert_eq!(bytes(quantity), expected, "{quantity}");
    check("0", Some(0));
    check("10Gi", Some(10 << 30));
    check("1.5Gi", Some(3 << 29));
    check(".5k", Some(500));
    check("2M", Some(2_000_000));
    check("16Ei", Some(1 << 64));
    check("", None);
    check("Gi", None);
    check("1Zi", None);
    check("-1", None);
    check("1.x", None);
    check("1e3", None);
    check(&"9".repeat(60), None);
}
