//! Shell. What the environment says: which Kubernetes, which programs, which images.
//!
//! | variable | meaning |
//! |---|---|
//! | `KUBECONFIG` | the cluster; without it everything here is skipped |
//! | `RINGKV_REQUIRE_KUBERNETES` | `1`: what cannot run has failed, and is not skipped |
//! | `KUBECTL`, `HELM` | the programs, if not those of the path |
//! | `RINGKV_IMAGE` | the image of operator, servers and routers, if not that of the chart |
//! | `RINGKV_NEXT_IMAGE` | the same under another name, to which servers are rolled |
//! | `RINGKV_LOAD_IMAGE` | the image of `ringkv-load` |
//! | `RINGKV_TEST_CLUSTER` | `1`: it is that of `cargo xtask cluster`; nodes may be cut off |

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, bail};

/// What the environment says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kubectl: PathBuf,
    pub(crate) helm: PathBuf,
    /// As `repository:tag`.
    pub(crate) image: String,
    pub(crate) next_image: String,
    pub(crate) load_image: String,
    /// Whether nodes may be cut off and processes killed.
    pub(crate) own_cluster: bool,
}

/// The settings, or `None` where there is no cluster and that may be.
pub(crate) fn settings() -> anyhow::Result<Option<&'static Settings>> {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    if env::var_os("KUBECONFIG").is_none_or(|value| value.is_empty()) {
        if is_set("RINGKV_REQUIRE_KUBERNETES") {
            bail!("KUBECONFIG is not set, and RINGKV_REQUIRE_KUBERNETES forbids to skip");
        }
        println!("    skipped: no Kubernetes; set KUBECONFIG, or run `cargo xtask e2e`");
        return Ok(None);
    }
    Ok(Some(SETTINGS.get_or_init(read)))
}

fn read() -> Settings {
    let text = |name: &str, default: String| env::var(name).unwrap_or(default);
    let image = text("RINGKV_IMAGE", chart_image());
    Settings {
        kubectl: text("KUBECTL", "kubectl".to_owned()).into(),
        helm: text("HELM", "helm".to_owned()).into(),
        next_image: text("RINGKV_NEXT_IMAGE", format!("{image}-next")),
        load_image: text("RINGKV_LOAD_IMAGE", "localhost/ringkv-load:e2e".to_owned()),
        own_cluster: is_set("RINGKV_TEST_CLUSTER"),
        image,
    }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value == "1")
}

/// The image that the chart names by itself.
fn chart_image() -> String {
    format!("ghcr.io/ringkv/ringkv:{}", env!("CARGO_PKG_VERSION"))
}

impl Settings {
    /// Whether what only our own test cluster can do may be done; says so if not.
    pub(crate) fn can_break_nodes(&self, what: &str) -> bool {
        if !self.own_cluster {
            println!("    skipped: {what}; only on the cluster of `cargo xtask cluster`");
        }
        self.own_cluster
    }
}

/// An image as the chart takes it: repository and tag.
pub(crate) fn split_image(image: &str) -> anyhow::Result<(&str, &str)> {
    image.rsplit_once(':').with_context(|| format!("{image} has no tag"))
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}
