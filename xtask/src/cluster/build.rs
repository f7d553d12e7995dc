//! Shell. Builds Kubernetes, helm and the pause image from Go modules, once per state of their
//! sources.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use super::image::Image;
use super::layout::PAUSE_IMAGE;

/// Also in xtask/kubernetes/go.mod.
const KUBERNETES_VERSION: &str = "v1.35.4";

/// What `up` needs, built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) kubernetes: PathBuf,
    pub(crate) helm: PathBuf,
    pub(crate) pause_image: PathBuf,
}

/// Builds what is missing.
pub(crate) fn build() -> anyhow::Result<Built> {
    let target = crate::root().join("target/cluster-build");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let sources = crate::root().join("xtask");
    let kubernetes = go_build(&target, &sources.join("kubernetes"), "kubernetes", ".")?;
    let pause = go_build(&target, &sources.join("kubernetes"), "pause", "./pause")?;
    let helm = go_build(&target, &sources.join("helm"), "helm", "helm.sh/helm/v4/cmd/helm")?;
    let pause_image = pause.with_extension("tar");
    if !pause_image.exists() {
        let image = Image { program: &pause, file: "program", user: "" };
        image.pack(&[PAUSE_IMAGE], &pause_image)?;
    }
    Ok(Built { kubernetes, helm, pause_image })
}

fn go_build(target: &Path, module: &Path, name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let binary = target.join(format!("{name}-{:016x}", hash_of(module)?));
    if binary.exists() {
        return Ok(binary);
    }
    println!("building {name} with Go; the first time that takes minutes");
    let began = Instant::now();
    let version = "k8s.io/component-base/version";
    let minor = KUBERNETES_VERSION.split('.').nth(1).unwrap_or_default();
    let flags = format!(
        "-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor=1 \
         -X {version}.gitMinor={minor}"
    );
    let unfinished = target.join(format!("{name}.unfinished"));
    let status = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&unfinished)
        .arg(package)
        .env("CGO_ENABLED", "0")
        .current_dir(module)
        .status()
        .context("cannot start go")?;
    if !status.success() {
        bail!("go build of {name} failed ({status})");
    }
    fs::rename(&unfinished, &binary).context("cannot rename what was built")?;
    println!("{name} is built, after {:.0} s", began.elapsed().as_secs_f64());
    Ok(binary)
}

/// A number that changes with the files of a Go module.
fn hash_of(module: &Path) -> anyhow::Result<u64> {
    let mut directories = vec![module.to_path_buf()];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).context("cannot list a Go module")? {
            let path = entry.context("cannot list a Go module")?.path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(module).unwrap_or(&file).hash(&mut hasher);
        fs::read(&file).context("cannot read a Go module")?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}
