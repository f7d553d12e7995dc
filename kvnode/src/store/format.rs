//! Shell. The mark that tells a store's directory from any other, and the state of its creation.
//!
//! `CREATING` is put there first and removed last, `FORMAT` in between; so a creation that was
//! interrupted is told from damage, and done again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::error::OpenError;

/// The newest format of a store's directory.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// The engine's own directory inside of it.
pub(crate) const ENGINE_DIR: &str = "fjall";

const FORMAT_FILE: &str = "FORMAT";
const CREATING_FILE: &str = "CREATING";
/// What an interrupted creation or a fresh volume may hold.
const HARMLESS: [&str; 2] = ["CREATING.new", "lost+found"];
const FORMAT_HEAD: &str = "ringkv store ";
const MAX_FORMAT_BYTES: usize = 64;

/// What is in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole store.
    Store,
    /// Nothing yet; [`finish_creation`] is due once the engine exists.
    New,
}

/// Looks at the directory and makes it where it does not exist.
pub(crate) fn prepare(dir: &Path) -> Result<Found, OpenError> {
    let io_error = |source| OpenError::from_io(dir, source);
    fs::create_dir_all(dir).map_err(io_error)?;
    let format = match fs::read(dir.join(FORMAT_FILE)) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_error(error)),
    };
    if let Some(format) = format {
        check_format(dir, &format)?;
        remove_if_there(&dir.join(CREATING_FILE)).map_err(io_error)?;
        if !dir.join(ENGINE_DIR).try_exists().map_err(io_error)? {
            let detail = format!("its directory {ENGINE_DIR} is gone");
            return Err(OpenError::Corrupt { path: dir.to_owned(), detail });
        }
        return Ok(Found::Store);
    }
    if dir.join(CREATING_FILE).try_exists().map_err(io_error)? {
        match fs::remove_dir_all(dir.join(ENGINE_DIR)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            _ => return Ok(Found::New),
        }
    }
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let name = entry.map_err(io_error)?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            let found = format!("it holds {} and no file {FORMAT_FILE}", name.display());
            return Err(OpenError::Foreign { path: dir.to_owned(), found });
        }
    }
    write_new(dir, CREATING_FILE, b"").map_err(io_error)?;
    Ok(Found::New)
}

/// Marks a new directory as a whole store.
pub(crate) fn finish_creation(dir: &Path) -> Result<(), OpenError> {
    let text = format!("{FORMAT_HEAD}{FORMAT_VERSION}\n");
    write_new(dir, FORMAT_FILE, text.as_bytes())
        .and_then(|()| remove_if_there(&dir.join(CREATING_FILE)))
        .map_err(|source| OpenError::from_io(dir, source))
}

fn check_format(dir: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let text = String::from_utf8_lossy(bytes.get(..MAX_FORMAT_BYTES).unwrap_or(bytes));
    let version = text.strip_prefix(FORMAT_HEAD).and_then(|rest| rest.trim_end().parse().ok());
    match version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(found) if found > FORMAT_VERSION => {
            Err(OpenError::Newer { path: dir.to_owned(), found, supported: FORMAT_VERSION })
        }
        _ => Err(OpenError::Foreign {
            path: dir.to_owned(),
            found: format!("its file {FORMAT_FILE} says {:?}", text.trim_end()),
        }),
    }
}

/// Writes a file that is there whole or not at all, also after a crash.
fn write_new(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace(&dir.join(name), bytes)
}

/// Replaces a file atomically and durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
