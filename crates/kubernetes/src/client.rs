//! Shell. A client of the API server that is made when it is first needed.

use kube::Client;
use tokio::sync::OnceCell;

/// Made from the service account of the pod, or from the file that KUBECONFIG names. Making it
/// reads files and sends nothing, and is tried again until it works.
#[derive(Default)]
pub struct LazyClient(OnceCell<Client>);

impl LazyClient {
    /// The client. It belongs to the runtime in which it is first asked for.
    ///
    /// # Errors
    /// There is neither a service account nor a KUBECONFIG that can be used.
    pub async fn get(&self) -> Result<&Client, kube::Error> {
        self.0.get_or_try_init(Client::try_default).await
    }
}
