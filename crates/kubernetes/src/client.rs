//! Shell. A client of the API server that is made when it is first needed.

use hyper::Uri;
use kube::{Client, Config};
use tokio::sync::OnceCell;

/// Made from the service account of the pod, or from the file that KUBECONFIG names. Making it
/// reads files and sends nothing, and is tried again until it works.
#[derive(Default)]
pub struct LazyClient {
    /// Where the API server is, where it is not found out.
    url: Option<Uri>,
    made: OnceCell<Client>,
}

impl LazyClient {
    /// A client without a name, of the API server at this URL: for tests and tools.
    #[must_use]
    pub fn at(url: Uri) -> Self {
        Self { url: Some(url), made: OnceCell::new() }
    }

    /// The client. It belongs to the runtime in which it is first asked for.
    ///
    /// # Errors
    /// There is neither a service account nor a KUBECONFIG that can be used.
    pub async fn get(&self) -> Result<&Client, kube::Error> {
        let make = async || match &self.url {
            Some(url) => Client::try_from(Config::new(url.clone())),
            None => Client::try_default().await,
        };
        self.made.get_or_try_init(make).await
    }
}
