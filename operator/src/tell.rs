//! Shell. Writes the status of a cluster, when it has changed, and publishes what has happened.

use crd::KvClusterStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams};
use rebalance::{Rebalance, Status};
use serde_json::{Value, json};
use shell::clock::{Clock as _, SystemClock};

use crate::controller::{Context, key};
use crate::news;
use crate::reconcile::ReconcileError;
use crate::refusal::has_changed;
use crate::status::Obstacle;
use crate::watches::Cluster;

/// The fields of the status that may be absent, other than the ring document, which is written by
/// compare-and-swap alone, and the cluster's id, which never changes.
const OPTIONAL: [&str; 5] = ["observedGeneration", "ready", "phase", "selector", "rebalance"];

/// Which change of the ring has ended: no two of them are alike in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    epoch: u64,
    duration_ms: u64,
}

impl End {
    fn of(ended: &Rebalance) -> Self {
        Self { epoch: ended.epoch, duration_ms: ended.duration_ms }
    }
}

impl Context {
    /// Tells that something is in the way; what is not known because of it stays as it was. False
    /// as of [`Self::tell_status`].
    pub(crate) async fn tell(
        &self,
        object: &Cluster,
        before: Option<KvClusterStatus>,
        obstacle: Obstacle,
    ) -> Result<bool, ReconcileError> {
        let base = before.clone().unwrap_or_default();
        let next = obstacle.in_status(&base, object.meta().generation, &now());
        self.tell_status(object, before, next, &Status::default()).await
    }

    /// Tells that a resource cannot be read. What its status says besides cannot be read either,
    /// and stays as it is. False as of [`Self::tell_status`].
    pub(crate) async fn tell_unreadable(
        &self,
        object: &Cluster,
        why: String,
    ) -> Result<bool, ReconcileError> {
        let key = key(object);
        let base = self.told(&key).unwrap_or_default();
        let next = Obstacle::Invalid(why).in_status(&base, object.meta().generation, &now());
        if base == next {
            return Ok(true);
        }
        let status = json!({
            "observedGeneration": next.observed_generation,
            "phase": next.phase,
            "conditions": next.conditions,
        });
        if !self.patch_status(object, status).await? {
            return Ok(false);
        }
        for one in news::between(Some(&base), &next, None) {
            self.publish(object, one).await;
        }
        self.remember_told(&key, next);
        Ok(true)
    }

    /// Writes the status, if it is another than the one before. What the coordinator says of the
    /// ring is for telling what has happened. False where it was not written, because the resource
    /// has changed meanwhile, or is gone: nobody but the next look will write it.
    pub(crate) async fn tell_status(
        &self,
        object: &Cluster,
        before: Option<KvClusterStatus>,
        next: KvClusterStatus,
        ring: &Status,
    ) -> Result<bool, ReconcileError> {
        let key = key(object);
        let next = KvClusterStatus { ring: None, ..next };
        let known = before.map(|before| KvClusterStatus { ring: None, ..before });
        let ended = ring.last_rebalance.as_ref();
        let ended = ended.filter(|ended| self.told_end(&key) != Some(End::of(ended)));
        let is_same = known.as_ref() == Some(&next);
        if is_same && ended.is_none() {
            return Ok(true);
        }
        if !is_same && !self.patch_status(object, patch(&next)).await? {
            return Ok(false);
        }
        for one in news::between(known.as_ref(), &next, ended) {
            self.publish(object, one).await;
        }
        self.remember_told(&key, next);
        if let Some(ended) = ended {
            self.remember_told_end(&key, End::of(ended));
        }
        Ok(true)
    }

    /// False where the resource was deleted meanwhile, made anew, or written by others so often
    /// that the API server gave up.
    async fn patch_status(&self, object: &Cluster, status: Value) -> Result<bool, ReconcileError> {
        let (namespace, name) = key(object);
        let clusters: Api<Cluster> = Api::namespaced(self.client.clone(), &namespace);
        let patch = json!({ "metadata": { "uid": object.meta().uid }, "status": status });
        match clusters.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            Err(error) if has_changed(&error) => Ok(false),
            Err(error) => Err(ReconcileError::Tell(error)),
        }
    }
}

/// The status as a merge patch: what is absent now is taken out.
fn patch(status: &KvClusterStatus) -> Value {
    let mut patch = serde_json::to_value(status).unwrap_or_default();
    if let Value::Object(fields) = &mut patch {
        for field in OPTIONAL {
            fields.entry(field).or_insert(Value::Null);
        }
        fields.entry("servers").or_insert_with(|| json!([]));
    }
    patch
}

/// The present time, in whole seconds as conditions have it.
pub(crate) fn now() -> Time {
    let seconds = SystemClock::new().unix_ms() / 1_000;
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}
