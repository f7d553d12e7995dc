//! Shell. The files of a data directory, held in memory, to be written out as often as they are
//! needed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Directories and files by their paths below the root.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Content)>,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes, without the zeros at the end.
    pub bytes: Vec<u8>,
    /// How long the file is.
    pub length: u64,
}

impl Tree {
    /// Reads everything below a directory.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(root.join(&directory))? {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    left.push(path);
                } else {
                    let mut bytes = fs::read(entry.path())?;
                    let length = u64::try_from(bytes.len())?;
                    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    bytes.truncate(used);
                    bytes.shrink_to_fit();
                    tree.files.push((path, Content { bytes, length }));
                }
            }
            tree.directories.push(directory);
        }
        tree.files.sort_by(|(one, _), (two, _)| one.cmp(two));
        Ok(tree)
    }

    /// Writes everything below a directory, which is made.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write(&self, root: &Path) -> anyhow::Result<()> {
        for directory in &self.directories {
            fs::create_dir_all(root.join(directory))?;
        }
        for (path, content) in &self.files {
            write(&root.join(path), content)?;
        }
        Ok(())
    }

    /// The files, by their paths below the root.
    #[must_use]
    pub fn files(&self) -> &[(PathBuf, Content)] {
        &self.files
    }
}

/// Writes one file; the zeros at its end take no space.
///
/// # Errors
/// The operating system refuses.
pub fn write(path: &Path, content: &Content) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&content.bytes)?;
    Ok(file.set_len(content.length)?)
}
