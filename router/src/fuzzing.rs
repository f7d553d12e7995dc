//! Pure. What holds of whatever clients and servers send to a router. The fuzz targets ask it; a
//! breach is a panic.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use kubernetes::ClusterName;
use node_api::{Membership, NodeView};
use ring::Point;
use serde::Deserialize;

use crate::http::kv::{Condition, key, ttl_ms};
use crate::kubernetes::{Facts, advice};
use crate::refusal::Refusal;
use crate::table::Table;

/// A request: its path in the first line, headers in the next ones, and after an empty line a body.
pub fn http(request: &[u8]) {
    let mut lines = request.splitn(2, |byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    let mut rest = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(at);
        rest = after.get(1..).unwrap_or_default();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    let Ok(uri) = Uri::try_from(path) else { return };
    if let Ok(decoded) = key(&uri) {
        let mut encoded = String::from("/kv/");
        for byte in &decoded {
            let _ = write!(encoded, "%{byte:02x}");
        }
        let again = encoded.parse().ok().and_then(|uri| key(&uri).ok());
        // A very long path is no URI any more.
        assert!(again.is_none_or(|again| again == decoded));
    }
    let _ = Condition::of(&headers);
    if let Ok(Some(ms)) = ttl_ms(&headers) {
        assert!(ms >= 1_000);
    }
    let cluster = ClusterName { namespace: "default".into(), name: "demo".into() };
    assert!(advice(&cluster, &Facts::default(), uri.path(), rest).contains("demo"));
}

/// What a router has been told.
#[derive(Deserialize)]
struct Told {
    membership: Membership,
    views: Vec<NodeView>,
}

/// A membership and the views of servers, as JSON: the table that follows covers the ring.
pub fn table(json: &[u8]) {
    let Ok(Told { membership, views }) = serde_json::from_slice(json) else { return };
    let views: BTreeMap<String, NodeView> =
        views.into_iter().map(|view| (view.server.name.clone(), view)).collect();
    let table = Table::build(&membership, &views);
    let mut next = Some(Point::MIN);
    for segment in table.segments() {
        assert_eq!(next, Some(segment.arc.start()), "segments follow each other");
        for point in [segment.arc.start(), segment.arc.last()] {
            assert_eq!(table.segment(point), segment);
        }
        next = segment.arc.last().next();
    }
    assert_eq!(next, None, "segments cover the ring");
    assert_eq!(table, Table::build(&membership, &views));
}

/// An error that a server answered with.
pub fn refusal(reply: &[u8]) {
    if let Some(refusal) = Refusal::parse(reply) {
        let arc = refusal.arc();
        assert!(arc.start() <= arc.last());
    }
}
