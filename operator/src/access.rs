//! Shell. The secrets of a cluster: the token of operator, servers and routers, and the password of
//! clients. Each is drawn once and never changed by the operator.

use crd::names::Names;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::api::Api;
use kube::runtime::reflector::ObjectRef;
use node_api::Secret;
use shell::rng::{OsRng, Rng as _};

use crate::apply::ApplyError;
use crate::build;
use crate::controller::Context;
use crate::refusal::in_words;
use crate::validate::ValidCluster;

/// What a cluster's parts know each other by.
pub(crate) struct Access {
    pub(crate) token: Option<Secret>,
}

/// Why a cluster's secrets are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The secret that the specification names is not usable.
    #[error("the Secret {name} of spec.auth.existingSecret {problem}")]
    Existing { name: String, problem: String },
    /// The token's secret has been changed by somebody.
    #[error("the Secret {name} has no usable `token`; delete it and it is made anew")]
    Token { name: String },
    /// The API server refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The API server refused.
    #[error("cannot read the Secret {name}: {}", in_words(source))]
    Api { name: String, source: kube::Error },
}

impl Context {
    /// The secrets, made where they are not there yet.
    pub(crate) async fn access(&self, cluster: &ValidCluster) -> Result<Access, AccessError> {
        let names = Names(&cluster.name);
        let name = names.internal_secret();
        let secret = self.secret(cluster, &name, "token", build::internal_secret).await?;
        let token = secret.as_deref().and_then(|token| Secret::new(token).ok());
        let token = token.ok_or(AccessError::Token { name })?;
        if let Some(auth) = &cluster.auth {
            match &auth.existing_secret {
                Some(name) => self.demand_password(cluster, name).await?,
                None => {
                    let name = names.auth_secret();
                    self.secret(cluster, &name, "password", build::auth_secret).await?;
                }
            }
        }
        Ok(Access { token: Some(token) })
    }

    /// The value of a secret of ours, drawn if there is none.
    async fn secret(
        &self,
        cluster: &ValidCluster,
        name: &str,
        field: &str,
        build: impl FnOnce(&ValidCluster, &str) -> SecretObject,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        let at = ObjectRef::new(name).within(&cluster.namespace);
        let secret = match self.watched.secrets.get(&at) {
            Some(secret) => (*secret).clone(),
            None => {
                let value = format!("{:032x}{:032x}", OsRng.next_u128(), OsRng.next_u128());
                self.applier.create(&build(cluster, &value)).await?
            }
        };
        Ok(value(&secret, field))
    }

    async fn demand_password(&self, cluster: &ValidCluster, name: &str) -> Result<(), AccessError> {
        let secrets: Api<SecretObject> = Api::namespaced(self.client.clone(), &cluster.namespace);
        let secret = secrets.get_opt(name).await;
        let secret = secret.map_err(|source| AccessError::Api { name: name.to_owned(), source })?;
        let problem = match secret {
            None => "does not exist: make it, with the key `password`",
            Some(secret) if value(&secret, "password").is_none() => "has no key `password`",
            Some(_) => return Ok(()),
        };
        Err(AccessError::Existing { name: name.to_owned(), problem: problem.to_owned() })
    }
}

fn value(secret: &SecretObject, field: &str) -> Option<Vec<u8>> {
    secret.data.as_ref()?.get(field).map(|value| value.0.clone())
}
