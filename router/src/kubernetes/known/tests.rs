use k8s_openapi::api::discovery::v1::Endpoint;
use kube::core::ObjectMeta;
use kubernetes::api_resource;
use serde_json::{Value, json};

use super::*;

fn known() -> Known {
    Known::new("apps/demo".parse().expect("a name"))
}

fn document(epoch: u64, cluster: char) -> RingDocument {
    let incarnation = "f".repeat(32);
    let members = [("demo-0", incarnation.as_str())];
    let cluster = cluster.to_string().repeat(32);
    let document = RingDocument::bootstrap(&cluster, ring::Placement::Classic, 4, members);
    RingDocument { epoch, ..document.expect("a ring").bootstrapped() }
}

fn object(epoch: u64, cluster: char) -> DynamicObject {
    let ring: Value = serde_json::from_str(&document(epoch, cluster).to_json()).expect("JSON");
    DynamicObject::new("demo", &api_resource()).data(json!({ "status": { "ring": ring } }))
}

fn slice(name: &str, endpoints: &[(&str, &str)]) -> EndpointSlice {
    let endpoints = endpoints.iter().map(|(name, address)| Endpoint {
        hostname: Some((*name).to_owned()),
        addresses: vec![(*address).to_owned()],
        ..Endpoint::default()
    });
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    EndpointSlice { metadata, endpoints: endpoints.collect(), ..EndpointSlice::default() }
}

/// Generation, epoch, and the servers with their addresses.
fn check(known: &mut Known, generation: u64, epoch: u64, servers: &[(&str, &str)]) {
    let membership = known.membership().expect("another membership");
    assert_eq!((membership.generation, membership.document.epoch), (generation, epoch));
    let found: Vec<(&str, &str)> =
        membership.servers.iter().map(|(name, at)| (&**name, &*at.resp)).collect();
    assert_eq!(found, servers);
    assert_eq!(known.membership(), None, "it is told once");
}

/// A router that has seen its cluster, with one server.
fn started() -> Known {
    let mut known = known();
    known.take_cluster(Event::Init).expect("no news");
    known.take_cluster(Event::InitApply(object(5, 'a'))).expect("a ring");
    known.take_cluster(Event::InitDone).expect("it is there");
    assert_eq!(known.membership(), None, "no endpoints are known yet");
    known.take_slice(Event::Init);
    known.take_slice(Event::InitApply(slice("x", &[("demo-0", "10.0.0.1")])));
    assert_eq!(known.membership(), None, "the list is not whole yet");
    known.take_slice(Event::InitDone);
    check(&mut known, 1, 5, &[("demo-0", "10.0.0.1:6400")]);
    known
}

#[test]
fn each_change_gives_a_new_membership() {
    let mut known = started();
    known.take_slice(Event::Apply(slice("y", &[("demo-1", "10.0.0.2")])));
    check(&mut known, 2, 5, &[("demo-0", "10.0.0.1:6400"), ("demo-1", "10.0.0.2:6400")]);
    known.take_cluster(Event::Apply(object(6, 'a'))).expect("a ring");
    check(&mut known, 3, 6, &[("demo-0", "10.0.0.1:6400"), ("demo-1", "10.0.0.2:6400")]);
    known.take_slice(Event::Delete(slice("y", &[])));
    check(&mut known, 4, 6, &[("demo-0", "10.0.0.1:6400")]);
    known.take_cluster(Event::Apply(object(6, 'a'))).expect("a ring");
    assert_eq!(known.membership(), None, "nothing has changed");
}

#[test]
fn a_new_list_takes_the_place_of_the_old_one_whole() {
    let mut known = started();
    known.take_slice(Event::Init);
    known.take_slice(Event::InitApply(slice("z", &[("demo-1", "10.0.0.2")])));
    assert_eq!(known.membership(), None);
    known.take_slice(Event::InitDone);
    // The member stays where it was; it may come back there.
    check(&mut known, 2, 5, &[("demo-0", "10.0.0.1:6400"), ("demo-1", "10.0.0.2:6400")]);
}

#[test]
fn what_is_known_is_kept_when_the_cluster_says_less() {
    let mut known = started();
    let check_kept = |known: &mut Known, event, says: &str| {
        let error = known.take_cluster(event).expect_err("no newer ring");
        assert!(error.contains(says), "{error}");
        assert_eq!(known.membership(), None);
        assert_eq!(known.facts().document.as_deref(), Some(&document(5, 'a')));
    };
    let empty = DynamicObject::new("demo", &api_resource()).data(json!({}));
    check_kept(&mut known, Event::Apply(empty), "no ring document yet");
    check_kept(&mut known, Event::Apply(object(9, 'b')), "another cluster");
    check_kept(&mut known, Event::Apply(object(4, 'a')), "epoch 5 to 4");
    check_kept(&mut known, Event::Delete(object(5, 'a')), "there is no KvCluster apps/demo");
    assert!(known.facts().object.is_none());
    known.take_cluster(Event::Init).expect("no news");
    check_kept(&mut known, Event::InitDone, "there is no KvCluster apps/demo");
}
