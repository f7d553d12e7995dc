//! Shell. Packs one static program into a container image, without any tool for images.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::command::run;

/// An image that holds one program and runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a> {
    /// Where the program is on this machine.
    pub(crate) program: &'a Path,
    /// Its name in the root of the image.
    pub(crate) file: &'a str,
    /// Who runs it, `user:group`; root if empty.
    pub(crate) user: &'a str,
}

impl Image<'_> {
    /// Writes a docker archive of the image under these names.
    pub(crate) fn pack(&self, names: &[&str], archive: &Path) -> anyhow::Result<()> {
        let directory = archive.with_extension("unpacked");
        let root = directory.join("root");
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        fs::copy(self.program, root.join(self.file))
            .with_context(|| format!("cannot copy {}", self.program.display()))?;
        let layer = directory.join("layer.tar");
        tar(&layer, &root, &[self.file])?;
        let digest = run("sha256sum", &[&layer.display().to_string()])?;
        let digest = digest.split_ascii_whitespace().next().context("sha256sum printed nothing")?;
        let write = |file: &str, text: String| {
            fs::write(directory.join(file), text).context("cannot write the image")
        };
        write("config.json", self.config(digest))?;
        write("manifest.json", manifest(names))?;
        let unfinished = archive.with_extension("unfinished");
        tar(&unfinished, &directory, &["manifest.json", "config.json", "layer.tar"])?;
        fs::rename(&unfinished, archive).context("cannot rename the image")?;
        fs::remove_dir_all(&directory).context("cannot remove what the image was made of")
    }

    fn config(&self, digest: &str) -> String {
        let (file, user) = (self.file, self.user);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let start = format!(r#"{{"architecture":"{architecture}","os":"linux","config":"#);
        let config = format!(r#"{{"Entrypoint":["/{file}"],"User":"{user}"}},"#);
        format!(r#"{start}{config}"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#)
    }
}

fn tar(archive: &Path, directory: &Path, files: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["--create".to_owned(), "--file".to_owned()];
    arguments.extend([archive.display().to_string(), "--directory".to_owned()]);
    arguments.push(directory.display().to_string());
    arguments.extend(["--owner=0".to_owned(), "--group=0".to_owned()]);
    arguments.extend(files.iter().map(|file| (*file).to_owned()));
    run("tar", &arguments).map(drop)
}

fn manifest(names: &[&str]) -> String {
    let names = names.join("\",\"");
    format!(r#"[{{"Config":"config.json","RepoTags":["{names}"],"Layers":["layer.tar"]}}]"#)
}
