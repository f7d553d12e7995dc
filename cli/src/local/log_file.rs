//! Shell. The log of a child process: a bounded file that is followed for lines about trouble.
//!
//! The child writes to the file itself, not through a pipe, so that its log is whole even after
//! its supervisor was killed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A log that is longer at a start, or grows longer, becomes `<name>.log.1`.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// What is read of it at a time; of more than this per look the rest is read at the next one.
const READ_BYTES_MAX: u64 = 256 << 10;
/// A longer line is cut where it is shown.
const LINE_CHARS_MAX: usize = 500;

/// Follows one log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
}

impl LogFile {
    /// Follows the log from its present end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        rotate_if_long(path)?;
        let offset = writer(path)?.metadata()?.len();
        Ok(Self { path: path.to_owned(), offset, partial: Vec::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the child writes: always at the end, also after the file was shortened.
    pub(super) fn writer(&self) -> io::Result<File> {
        writer(&self.path)
    }

    /// The lines about trouble that were written since the last look.
    pub(super) fn look(&mut self) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        let len = file.metadata()?.len();
        if len < self.offset {
            self.offset = 0;
            self.partial.clear();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = Vec::new();
        self.offset += file.take(READ_BYTES_MAX).read_to_end(&mut text)? as u64;
        let lines = self.whole_lines(&text);
        if self.offset > LOG_BYTES_MAX {
            // Copied and shortened, not renamed: the child goes on writing to the same file.
            fs::copy(&self.path, rotated(&self.path))?;
            writer(&self.path)?.set_len(0)?;
            self.offset = 0;
        }
        Ok(lines)
    }

    fn whole_lines(&mut self, text: &[u8]) -> Vec<String> {
        let mut troubles = Vec::new();
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&self.partial);
                let line = line.trim_end();
                if is_trouble(line) {
                    troubles.push(line.chars().take(LINE_CHARS_MAX).collect());
                }
                self.partial.clear();
            }
        }
        self.partial.truncate(LINE_CHARS_MAX * 4);
        troubles
    }
}

/// Whether a user should see the line although it is not asked for.
fn is_trouble(line: &str) -> bool {
    let level = line.split_whitespace().nth(1);
    level == Some("ERROR")
        || ["ringkv: ", "error: "].iter().any(|start| line.starts_with(start))
        || line.contains(" panicked at ")
}

fn writer(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn rotate_if_long(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LOG_BYTES_MAX => fs::rename(path, rotated(path)),
        _ => Ok(()),
    }
}

fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{LOG_BYTES_MAX, LogFile};

    #[test]
    fn only_whole_lines_about_trouble_are_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut log = LogFile::open(&directory.path().join("kv-0.log")).expect("made");
        let mut writer = log.writer().expect("writable");
        let mut look = |text: &str| {
            writer.write_all(text.as_bytes()).expect("writable");
            log.look().expect("readable")
        };
        assert!(look("2026-11-23T12:00:00Z  INFO serving ERROR\n").is_empty());
        assert!(look("2026-11-23T12:00:01Z ERROR the disk").is_empty());
        assert_eq!(look(" is gone\n"), ["2026-11-23T12:00:01Z ERROR the disk is gone"]);
        assert_eq!(look("ringkv: no port\n"), ["ringkv: no port"]);
        let panic = "thread 'main' (7) panicked at kvnode/src/app.rs:1:1:";
        assert_eq!(look(&format!("{panic}\nboom\n")), [panic]);
    }

    #[test]
    fn a_long_log_is_put_aside() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kv-0.log");
        let long = usize::try_from(LOG_BYTES_MAX + 1).expect("small enough");
        std::fs::write(&path, vec![b'\n'; long]).expect("writable");
        let log = LogFile::open(&path).expect("made");
        assert_eq!(std::fs::metadata(log.path()).expect("made").len(), 0);
        assert!(directory.path().join("kv-0.log.1").exists());
    }
}
