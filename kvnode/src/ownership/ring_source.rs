//! Shell. Where a node reads the committed ring document by itself.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use node_api::NodeClient;
use ring::RingDocument;

/// How long the coordinator may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before another read of a source on this machine, as long as none has helped.
const RETRY: Duration = Duration::from_millis(50);

/// The document, or why it could not be read.
pub type RingRead<'a> = Pin<Box<dyn Future<Output = Result<RingDocument, String>> + Send + 'a>>;

/// A live view of the committed ring document.
pub trait RingSource: Send + Sync + 'static {
    /// Reads it now.
    fn read(&self) -> RingRead<'_>;

    /// How long to wait before the next read after so many in a row that did not admit the node.
    fn retry_pause(&self, failures: u32) -> Duration {
        let _ = failures;
        RETRY
    }
}

/// The document in a file that is replaced atomically.
#[derive(Clone, Debug)]
pub struct FileRingSource {
    path: PathBuf,
}

impl FileRingSource {
    /// The document at this path; it need not exist yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl RingSource for FileRingSource {
    fn read(&self) -> RingRead<'_> {
        Box::pin(async move {
            let path = self.path.clone();
            let shown = path.display().to_string();
            let read = shell::blocking::run(move || std::fs::read(path)).await;
            let json = read.map_err(|error| error.to_string())?;
            let json = json.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("{shown} does not exist yet"),
                _ => format!("{shown}: {error}"),
            })?;
            RingDocument::from_json(&json).map_err(|error| format!("{shown}: {error}"))
        })
    }
}

/// The document that the coordinator publishes once it is committed.
#[derive(Clone, Debug)]
pub struct CoordinatorRingSource {
    address: String,
    client: NodeClient,
}

impl CoordinatorRingSource {
    /// Of the coordinator at this URL, `http://host:port`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_owned();
        Self { address, client: NodeClient::new(TIMEOUT) }
    }
}

impl RingSource for CoordinatorRingSource {
    fn read(&self) -> RingRead<'_> {
        Box::pin(async move {
            let membership = self.client.membership(&self.address).await;
            let document = membership.map_err(|error| error.to_string())?.document;
            document.validate().map_err(|error| error.to_string())?;
            Ok(document)
        })
    }
}
