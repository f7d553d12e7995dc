//! Shell. Brings objects to their desired form by server-side apply, and writes nothing where
//! nothing has changed.
//!
//! What was applied is remembered with the version that the API server gave it. An object is
//! applied again only when the desired form is another one, or when somebody else has changed the
//! object since.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crd::names::CLUSTER_LABEL;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Error, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::refusal::{has_changed, in_words};

/// Who applies: the field manager of everything that the operator owns.
pub(crate) const FIELD_MANAGER: &str = "ringkv-operator";

/// Kind, namespace, name.
type Key = (String, String, String);

/// An object that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The API server refused.
    #[error("cannot {action} {kind} {namespace}/{name}: {}", in_words(source))]
    Refused { action: &'static str, kind: String, namespace: String, name: String, source: Error },
    /// Somebody else's object has the name.
    #[error(
        "{kind} {namespace}/{name} is there and belongs to somebody else: give the cluster another \
         name, or delete it"
    )]
    Foreign { kind: String, namespace: String, name: String },
}

/// What was applied last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    desired: u64,
    uid: String,
    version: Version,
}

/// How often an object was changed, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    /// Of its specification.
    Generation(i64),
    /// Of all of it, for kinds that have no generation.
    Resource(String),
}

impl Version {
    fn of<K: Resource>(object: &K) -> Self {
        match object.meta().generation {
            Some(generation) => Self::Generation(generation),
            None => Self::Resource(object.resource_version().unwrap_or_default()),
        }
    }

    /// Whether the object as we wrote it is this one or a later one than `seen`: what is seen may
    /// be older than what was written.
    fn covers(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Generation(own), Self::Generation(seen)) => seen <= own,
            (Self::Resource(own), Self::Resource(seen)) => {
                match (own.parse::<u128>(), seen.parse::<u128>()) {
                    (Ok(own), Ok(seen)) => seen <= own,
                    _ => own == seen,
                }
            }
            _ => false,
        }
    }
}

/// What came of applying an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has that form already.
    Unchanged,
    Written,
    /// It is not the version that was looked at any more: it is to be looked again.
    Changed,
}

/// Applies objects, and remembers what it has applied.
pub(crate) struct Applier {
    client: Client,
    applied: Mutex<BTreeMap<Key, Applied>>,
}

impl Applier {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, applied: Mutex::default() }
    }

    /// Brings an object to that form, if it has another.
    pub(crate) async fn apply<K: Object>(
        &self,
        store: &Store<K>,
        desired: &K,
    ) -> Result<Outcome, ApplyError> {
        self.apply_to(None, store, desired).await
    }

    /// As [`Self::apply`], but only if the object still has this version, where one is given.
    pub(crate) async fn apply_to<K: Object>(
        &self,
        version: Option<&str>,
        store: &Store<K>,
        desired: &K,
    ) -> Result<Outcome, ApplyError> {
        let key = key(desired);
        let hash = hash(desired);
        let seen = store.get(&ObjectRef::from_obj(desired));
        let known = self.known(&key).filter(|known| known.desired == hash);
        let is_so = match &seen {
            Some(seen) => known.is_some_and(|known| {
                seen.uid().as_deref() == Some(&*known.uid)
                    && known.version.covers(&Version::of(&**seen))
            }),
            // Either what is watched lags behind, or it is not there or not watched.
            None => self.is_there_unseen(desired, known.as_ref()).await?,
        };
        if is_so {
            return Ok(Outcome::Unchanged);
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.api::<K>(desired);
        let mut wanted = desired.clone();
        wanted.meta_mut().resource_version = version.map(ToOwned::to_owned);
        match api.patch(&key.2, &parameters, &Patch::Apply(&wanted)).await {
            Ok(written) => {
                self.remember(key, hash, &written);
                Ok(Outcome::Written)
            }
            Err(error) if version.is_some() && has_changed(&error) => Ok(Outcome::Changed),
            Err(error) => Err(failed("apply", desired)(error)),
        }
    }

    /// Makes an object that is not there yet, and never changes it again.
    pub(crate) async fn create<K: Object>(&self, desired: &K) -> Result<K, ApplyError> {
        let api = self.api::<K>(desired);
        match api.create(&kube::api::PostParams::default(), desired).await {
            Ok(created) => Ok(created),
            Err(Error::Api(status)) if status.code == 409 => {
                api.get(&desired.name_any()).await.map_err(failed("read", desired))
            }
            Err(error) => Err(failed("create", desired)(error)),
        }
    }

    /// Deletes an object that is no longer wanted, if it is there and was made for this cluster.
    pub(crate) async fn remove<K: Object>(
        &self,
        store: &Store<K>,
        namespace: &str,
        name: &str,
    ) -> Result<Outcome, ApplyError> {
        let Some(seen) = store.get(&ObjectRef::new(name).within(namespace)) else {
            return Ok(Outcome::Unchanged);
        };
        match self.api::<K>(&*seen).delete(name, &only(seen.uid(), None)).await {
            Ok(_) => Ok(Outcome::Written),
            Err(error) if has_changed(&error) => Ok(Outcome::Unchanged),
            Err(error) => Err(failed("delete", &*seen)(error)),
        }
    }

    /// Whether an object that is not seen by the watch is there as it was applied. Nothing is taken
    /// over that was not made for this cluster; what lost its label, and so is not watched any
    /// more, is known by its owner.
    async fn is_there_unseen<K: Object>(
        &self,
        desired: &K,
        known: Option<&Applied>,
    ) -> Result<bool, ApplyError> {
        let found = self.api::<K>(desired).get_metadata_opt(&desired.name_any()).await;
        let Some(found) = found.map_err(failed("read", desired))? else { return Ok(false) };
        let label = found.labels().get(CLUSTER_LABEL);
        let owner = desired.owner_references().first().map(|owner| &owner.uid);
        let is_owned = found.owner_references().iter().any(|one| Some(&one.uid) == owner);
        if label != desired.labels().get(CLUSTER_LABEL) && !is_owned {
            let (kind, namespace, name) = key(desired);
            return Err(ApplyError::Foreign { kind, namespace, name });
        }
        let is_known = known.is_some_and(|known| Some(&known.uid) == found.metadata.uid.as_ref());
        Ok(is_known && label.is_some())
    }

    fn api<K: Object>(&self, object: &K) -> Api<K> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }

    fn known(&self, key: &Key) -> Option<Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember<K: Object>(&self, key: Key, desired: u64, written: &K) {
        let uid = written.uid().unwrap_or_default();
        let applied = Applied { desired, uid, version: Version::of(written) };
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).insert(key, applied);
    }

    /// Forgets what was applied for a cluster that is gone.
    pub(crate) fn forget(&self, namespace: &str, cluster: &str) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        applied.retain(|(_, of, name), _| of != namespace || !belongs(name, cluster));
    }
}

/// Deletes this very object, at this version if one is given, and not another of its name.
pub(crate) fn only(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    let preconditions = Some(Preconditions { uid, resource_version });
    DeleteParams { preconditions, ..DeleteParams::default() }
}

/// Whether an object's name is one of this cluster's; at worst something is applied once more.
fn belongs(name: &str, cluster: &str) -> bool {
    name == cluster || name.strip_prefix(cluster).is_some_and(|rest| rest.starts_with('-'))
}

/// A kind of object that the operator writes.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

fn key<K: Object>(object: &K) -> Key {
    (K::kind(&()).into_owned(), object.namespace().unwrap_or_default(), object.name_any())
}

fn hash<K: Serialize>(desired: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(desired).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

fn failed<K: Object>(action: &'static str, object: &K) -> impl FnOnce(Error) -> ApplyError {
    let (kind, namespace, name) = key(object);
    move |source| ApplyError::Refused { action, kind, namespace, name, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_may_be_older_than_what_was_written() {
        let generation = Version::Generation;
        assert!(generation(3).covers(&generation(3)) && generation(3).covers(&generation(2)));
        assert!(!generation(3).covers(&generation(4)));
        let resource = |version: &str| Version::Resource(version.to_owned());
        assert!(resource("100").covers(&resource("99")));
        assert!(!resource("99").covers(&resource("100")));
        assert!(resource("x").covers(&resource("x")) && !resource("x").covers(&resource("y")));
        assert!(!resource("3").covers(&generation(3)));
    }

    #[test]
    fn only_the_objects_of_the_cluster_are_forgotten() {
        assert!(belongs("demo", "demo") && belongs("demo-nodes", "demo"));
        assert!(!belongs("demo2", "demo") && !belongs("a-demo", "demo"));
    }
}
