//! Shell. Asks every server what it knows, all at once.

use std::collections::{BTreeMap, BTreeSet};

use handoff::ClusterId;
use node_api::{NodeClient, NodeState, ServerAddresses};
use tokio::task::JoinSet;

use crate::view::Observation;

/// One look at each of these servers.
pub(crate) async fn observe(
    client: &NodeClient,
    cluster: ClusterId,
    names: BTreeSet<String>,
    addresses: &BTreeMap<String, ServerAddresses>,
) -> BTreeMap<String, Observation> {
    let mut looks = JoinSet::new();
    let mut observed = BTreeMap::new();
    for name in names {
        let Some(address) = addresses.get(&name) else {
            observed.insert(name, Observation::Unreachable("it is not running".to_owned()));
            continue;
        };
        let (client, address) = (client.clone(), address.http.clone());
        looks.spawn(async move {
            let answer = client.state(&address).await;
            (name, answer)
        });
    }
    while let Some(look) = looks.join_next().await {
        let Ok((name, answer)) = look else { continue };
        let observation = match answer {
            Ok(state) => check(cluster, &name, state),
            Err(error) => Observation::Unreachable(error.to_string()),
        };
        observed.insert(name, observation);
    }
    observed
}

fn check(cluster: ClusterId, name: &str, state: NodeState) -> Observation {
    if state.cluster != cluster {
        return Observation::Unreachable(format!(
            "its volume belongs to another cluster, {}: start it with the volume of this one, {}",
            state.cluster, cluster
        ));
    }
    if state.server.name != name {
        return Observation::Unreachable(format!("at its address {} answers", state.server.name));
    }
    Observation::Reachable(Box::new(state))
}
