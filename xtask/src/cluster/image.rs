//! Shell. Packs one static program into a container image, without any tool for images.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::command::run;

/// Writes a docker archive of an image that holds the program and runs it.
pub(crate) fn pack(program: &Path, name: &str, archive: &Path) -> anyhow::Result<()> {
    let directory = archive.with_extension("unpacked");
    let root = directory.join("root");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    fs::copy(program, root.join("program")).context("cannot copy the program")?;
    let layer = directory.join("layer.tar");
    tar(&layer, &root, &["program"])?;
    let digest = run("sha256sum", &[&layer.display().to_string()])?;
    let digest = digest.split_ascii_whitespace().next().context("sha256sum printed nothing")?;
    fs::write(directory.join("config.json"), config(digest)).context("cannot write the image")?;
    fs::write(directory.join("manifest.json"), manifest(name)).context("cannot write the image")?;
    let unfinished = archive.with_extension("unfinished");
    tar(&unfinished, &directory, &["manifest.json", "config.json", "layer.tar"])?;
    fs::rename(&unfinished, archive).context("cannot rename the image")?;
    fs::remove_dir_all(&directory).context("cannot remove what the image was made of")
}

fn tar(archive: &Path, directory: &Path, files: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["--create".to_owned(), "--file".to_owned()];
    arguments.extend([archive.display().to_string(), "--directory".to_owned()]);
    arguments.push(directory.display().to_string());
    arguments.extend(["--owner=0".to_owned(), "--group=0".to_owned()]);
    arguments.extend(files.iter().map(|file| (*file).to_owned()));
    run("tar", &arguments).map(drop)
}

fn config(digest: &str) -> String {
    let start = r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/program"]},"#;
    format!(r#"{start}"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#)
}

fn manifest(name: &str) -> String {
    format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":["layer.tar"]}}]"#)
}
