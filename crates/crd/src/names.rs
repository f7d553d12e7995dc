//! Pure. What the parts of a cluster are called, and on which ports they listen. Operator, nodes
//! and routers have to agree on this.

use std::collections::BTreeMap;

/// Where a node serves RESP.
pub const NODE_RESP_PORT: u16 = 6400;
/// Where a node serves health, metrics and administration.
pub const NODE_HTTP_PORT: u16 = 6401;
/// Where a node takes handoff streams.
pub const NODE_PEER_PORT: u16 = 6402;
/// Where a router serves Redis clients.
pub const ROUTER_RESP_PORT: u16 = 6379;
/// Where a router serves HTTP clients.
pub const ROUTER_HTTP_PORT: u16 = 5000;

/// The label that carries the name of the cluster.
pub const CLUSTER_LABEL: &str = "ringkv.dev/cluster";
/// The label and annotation that carry the cluster's id, on volumes.
pub const CLUSTER_ID_LABEL: &str = "ringkv.dev/cluster-id";
/// The label that tells servers from routers.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The volume of a server, in its pod and in the names of claims.
pub const DATA_VOLUME: &str = "data";

/// As many servers as a ring has members.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "it is 256")]
const SERVERS_MAX: i32 = ring::MAX_MEMBERS as i32;

/// What kind of pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// A server.
    Node,
    /// A router.
    Router,
}

impl Component {
    /// As in [`COMPONENT_LABEL`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Router => "router",
        }
    }
}

/// The names of everything that belongs to one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a>(pub &'a str);

impl Names<'_> {
    /// The StatefulSet of the servers; its pods are `<cluster>-0` and so on.
    #[must_use]
    pub fn stateful_set(self) -> String {
        self.0.to_owned()
    }

    /// The headless Service of the servers, also the name of their disruption budget and network
    /// policy.
    #[must_use]
    pub fn nodes(self) -> String {
        format!("{}-nodes", self.0)
    }

    /// The Deployment of the routers, also the name of their disruption budget and network policy.
    #[must_use]
    pub fn router(self) -> String {
        format!("{}-router", self.0)
    }

    /// The Service that clients connect to.
    #[must_use]
    pub fn router_service(self) -> String {
        self.0.to_owned()
    }

    /// The service account, role and role binding of servers or routers.
    #[must_use]
    pub fn account(self, component: Component) -> String {
        match component {
            Component::Node => self.nodes(),
            Component::Router => self.router(),
        }
    }

    /// The Secret with the token of operator, servers and routers, under the key `token`.
    #[must_use]
    pub fn internal_secret(self) -> String {
        format!("{}-internal", self.0)
    }

    /// The Secret with the generated password of clients, under the key `password`.
    #[must_use]
    pub fn auth_secret(self) -> String {
        format!("{}-auth", self.0)
    }

    /// The server, and pod, of that number.
    #[must_use]
    pub fn server(self, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.0)
    }

    /// The number of the server of that name, if a ring can have one of that number.
    #[must_use]
    pub fn ordinal(self, server: &str) -> Option<i32> {
        let digits = server.strip_prefix(self.0)?.strip_prefix('-')?;
        let ordinal =
            digits.parse().ok().filter(|ordinal: &i32| (0..SERVERS_MAX).contains(ordinal))?;
        (self.server(ordinal) == server).then_some(ordinal)
    }

    /// The claim of that server's volume.
    #[must_use]
    pub fn claim(self, server: &str) -> String {
        format!("{DATA_VOLUME}-{server}")
    }

    /// Selects the pods of one kind, as text.
    #[must_use]
    pub fn selector_text(self, component: Component) -> String {
        let selector = self.selector(component);
        let terms: Vec<String> =
            selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        terms.join(",")
    }

    /// Selects the pods of one kind.
    #[must_use]
    pub fn selector(self, component: Component) -> BTreeMap<String, String> {
        BTreeMap::from([
            (CLUSTER_LABEL.to_owned(), self.0.to_owned()),
            (COMPONENT_LABEL.to_owned(), component.as_str().to_owned()),
        ])
    }
}
