use k8s_openapi::jiff::Timestamp;
use rebalance::Lost;
use ring::Placement;

use super::*;
use crate::facts::PodFacts;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).expect("a time"))
}

struct Case {
    replicas: i32,
    facts: Facts,
    document: Option<RingDocument>,
    status: Status,
    pending: Pending,
}

/// Two servers at rest.
fn at_rest() -> Case {
    let ids = ["0".repeat(32), "1".repeat(32)];
    let members = [("demo-0", &*ids[0]), ("demo-1", &*ids[1])];
    let document = RingDocument::bootstrap(&"a".repeat(32), Placement::Classic, 10, members);
    let server = |(name, id): (&str, &str)| ServerStatus {
        name: name.to_owned(),
        incarnation: Some(id.to_owned()),
        ready: true,
        role: ServerRole::Member,
        arc_share: 0.5,
        ..ServerStatus::default()
    };
    let pod = PodFacts { is_ready: true, ..PodFacts::default() };
    let pods = members.iter().map(|(name, _)| ((*name).to_owned(), pod.clone()));
    Case {
        replicas: 2,
        facts: Facts { pods: pods.collect(), routers_available: 1, ..Facts::default() },
        document: document.ok().map(|document| document.bootstrapped()),
        status: Status {
            state: ClusterState::Converged,
            servers: members.into_iter().map(server).collect(),
            ..Status::default()
        },
        pending: Pending::default(),
    }
}

impl Case {
    fn told(&self, before: Option<&KvClusterStatus>, now: i64) -> KvClusterStatus {
        let seen = Seen {
            names: Names("demo"),
            namespace: "here",
            generation: Some(7),
            replicas: self.replicas,
            cluster_id: Some("a"),
            document: self.document.as_ref(),
            facts: &self.facts,
            status: &self.status,
            pending: self.pending,
        };
        status(&seen, before, &at(now))
    }

    fn check(&self, phase: &str, conditions: [&str; 4]) {
        let told = self.told(None, 1);
        let found: Vec<String> = told
            .conditions
            .iter()
            .map(|one| format!("{}={} {}", one.type_, one.status, one.reason))
            .collect();
        assert_eq!(found, conditions, "{:#?}", told.conditions);
        assert_eq!(told.phase.as_deref(), Some(phase));
    }
}

const SERVES: &str = "Available=True AllArcsServed";
const AS_SPECIFIED: &str = "Progressing=False AsSpecified";
const SOUND: &str = "Degraded=False AsSpecified";
const AT_REST: &str = "Rebalancing=False AtRest";

#[test]
fn a_cluster_at_rest() {
    self::at_rest().check("Running", [SERVES, AS_SPECIFIED, SOUND, AT_REST]);
    let told = self::at_rest().told(None, 1);
    assert_eq!((told.replicas, told.ready_replicas), (2, 2));
    assert_eq!(told.ready.as_deref(), Some("2/2"));
    let selector = "app.kubernetes.io/component=node,ringkv.dev/cluster=demo";
    assert_eq!(told.selector.as_deref(), Some(selector));
    assert_eq!(told.servers[0].share, "50.0 %");
    assert!(told.conditions.iter().all(|one| one.observed_generation == Some(7)));
}

#[test]
fn the_first_ring() {
    let mut case = self::at_rest();
    case.document = None;
    case.status = Status {
        state: ClusterState::Starting,
        reasons: vec!["waiting for demo-1 to answer, to make the first ring".to_owned()],
        ..Status::default()
    };
    let bootstrapping = "Available=False Bootstrapping";
    let progressing = "Progressing=True Bootstrapping";
    case.check("Bootstrapping", [bootstrapping, progressing, SOUND, AT_REST]);
    case.facts.pods.get_mut("demo-1").expect("a pod").trouble = Some("no room".to_owned());
    let told = case.told(None, 1);
    assert_eq!(told.conditions[1].message, "demo-1 does not run: no room");
}

#[test]
fn a_change_of_size() {
    let mut case = self::at_rest();
    case.replicas = 3;
    case.status.state = ClusterState::Blocked;
    case.status.reasons = vec!["demo-2 is to join and is not running yet".to_owned()];
    let joining = ServerStatus { name: "demo-2".to_owned(), ..ServerStatus::default() };
    case.status.servers.push(joining);
    let scaling = "Progressing=True Scaling";
    case.check("Scaling", [SERVES, scaling, SOUND, AT_REST]);
    case.status.state = ClusterState::Moving;
    case.status.rebalance = Some(Rebalance {
        from: 2,
        to: 3,
        bytes_moved: 30,
        bytes_total: 40,
        ..Rebalance::default()
    });
    case.check("Scaling 2 to 3", [SERVES, scaling, SOUND, "Rebalancing=True Moving"]);
    let told = case.told(None, 1);
    assert_eq!(told.rebalance.map(|open| open.progress).as_deref(), Some("75 %"));
}

#[test]
fn a_pod_that_cannot_run() {
    let mut case = self::at_rest();
    case.replicas = 3;
    case.status.state = ClusterState::Blocked;
    let trouble = Some("it is not scheduled: 0/3 nodes are available".to_owned());
    let pod = PodFacts { trouble, ..PodFacts::default() };
    case.facts.pods.insert("demo-2".to_owned(), pod);
    let (progressing, degraded) = ("Progressing=False Blocked", "Degraded=True Blocked");
    case.check("Blocked", [SERVES, progressing, degraded, AT_REST]);
    assert!(case.told(None, 1).conditions[2].message.contains("0/3 nodes are available"));
}

#[test]
fn a_change_that_lacks_space() {
    let mut case = self::at_rest();
    case.status.state = ClusterState::Blocked;
    case.status.reasons = vec!["demo-0 would receive 9 bytes and has 1 byte free".to_owned()];
    let (progressing, degraded) = ("Progressing=False Blocked", "Degraded=True Blocked");
    case.check("Blocked", [SERVES, progressing, degraded, AT_REST]);
}

#[test]
fn a_server_that_does_not_answer() {
    let mut case = self::at_rest();
    case.status.state = ClusterState::Blocked;
    case.status.servers[1].ready = false;
    case.status.servers[1].error = Some("no answer in 2000 ms".to_owned());
    let away = "Available=False ServersUnavailable";
    let degraded = "Degraded=True ServersUnavailable";
    case.check("ServersUnavailable", [away, AS_SPECIFIED, degraded, AT_REST]);
    let told = case.told(None, 1);
    assert_eq!(told.conditions[0].message, "demo-1 does not serve: no answer in 2000 ms");
    assert_eq!(told.ready.as_deref(), Some("1/2"));
    case.facts.pods.remove("demo-1");
    let told = case.told(None, 1);
    assert_eq!(
        told.conditions[0].message,
        "demo-1 has no pod; kubectl events --for statefulset/demo says why"
    );
    assert_eq!(told.conditions[1].reason, "Restarting");
}

#[test]
fn no_router() {
    let mut case = self::at_rest();
    case.facts.routers_available = 0;
    let away = "Available=False RoutersUnavailable";
    let degraded = "Degraded=True RoutersUnavailable";
    case.check("RoutersUnavailable", [away, AS_SPECIFIED, degraded, AT_REST]);
}

#[test]
fn a_lost_volume_names_the_remedy() {
    let mut case = self::at_rest();
    case.status.state = ClusterState::Lost;
    let server = handoff::Server {
        name: "demo-1".to_owned(),
        incarnation: "1".repeat(32).parse().expect("an incarnation"),
    };
    case.status.lost = vec![Lost { server, share: 0.5, arcs: ring::ArcSet::default() }];
    let lost = "Available=False DataLost";
    case.check("DataLost", [lost, AS_SPECIFIED, "Degraded=True DataLost", AT_REST]);
    let message = &case.told(None, 1).conditions[2].message;
    let remedy = format!(
        "kubectl annotate kvcluster demo --namespace here --overwrite {ACCEPT_DATA_LOSS}=demo-1/{}",
        "1".repeat(32)
    );
    assert!(message.contains(&remedy), "{message}");
}

#[test]
fn pods_and_volumes_that_are_behind() {
    let mut case = self::at_rest();
    case.pending.outdated_pods = 1;
    case.check("Rolling", [SERVES, "Progressing=True Rolling", SOUND, AT_REST]);
    case.pending = Pending { growing_volumes: 1, ..Pending::default() };
    let growing = "Progressing=True GrowingVolumes";
    case.check("GrowingVolumes", [SERVES, growing, SOUND, AT_REST]);
}

#[test]
fn a_condition_keeps_its_time_for_as_long_as_it_holds() {
    let mut case = self::at_rest();
    let first = case.told(None, 1);
    assert_eq!(case.told(Some(&first), 2), first);
    case.facts.routers_available = 0;
    let second = case.told(Some(&first), 3);
    let times: Vec<_> =
        second.conditions.iter().map(|one| one.last_transition_time.clone()).collect();
    assert_eq!(times, [at(3), at(1), at(3), at(1)]);
}

#[test]
fn an_obstacle_leaves_what_is_not_known_as_it_was() {
    let before = self::at_rest().told(None, 1);
    let paused = Obstacle::Paused.in_status(&before, Some(8), &at(2));
    assert_eq!(paused.phase.as_deref(), Some("Paused"));
    assert_eq!(paused.ready, before.ready);
    let progressing = paused.conditions.last().expect("a condition");
    assert_eq!((&*progressing.status, &*progressing.reason), ("False", "Paused"));

    let why = "replicas: 0 is too few".to_owned();
    let invalid = Obstacle::Invalid(why.clone()).in_status(&before, Some(8), &at(2));
    let degraded = invalid.conditions.last().expect("a condition");
    assert_eq!((&*degraded.type_, &*degraded.status), ("Degraded", "True"));
    assert_eq!(degraded.message, why);
    assert_eq!(invalid.conditions.len(), 4);
    assert_eq!(invalid.observed_generation, Some(8));
}
