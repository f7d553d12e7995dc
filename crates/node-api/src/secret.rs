//! Shell. Tokens and passwords: never shown, compared in constant time, read from files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::HeaderValue;
use subtle::ConstantTimeEq as _;

/// The longest secret.
pub const MAX_SECRET_BYTES: usize = 512;
/// The longest file of a secret: it may end with white space.
const MAX_FILE_BYTES: usize = MAX_SECRET_BYTES + 64;

/// A token or a password. It has no text of its own, so that no log can show it.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

/// A secret in a file that may change, as a mounted Secret of Kubernetes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// The file at this path.
    ///
    /// # Errors
    /// It holds no secret now.
    pub fn new(path: PathBuf) -> Result<Self, SecretFileError> {
        Secret::read(&path)?;
        Ok(Self(path))
    }

    /// Whether it is what the file holds now.
    ///
    /// # Errors
    /// The file holds no secret.
    pub fn is(&self, given: &[u8]) -> Result<bool, SecretFileError> {
        Ok(Secret::read(&self.0)?.is(given))
    }
}

/// What stands behind `Bearer` in the value of an Authorization header.
#[must_use]
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    credentials(authorization, "Bearer")
}

/// What stands behind the name of this scheme in the value of an Authorization header.
#[must_use]
pub fn credentials<'a>(authorization: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = authorization.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    name.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
}

/// Why bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is nothing but white space.
    #[error("it is empty")]
    Empty,
    /// It is longer than a secret may be.
    #[error("it is longer than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// It could not be sent in an HTTP header.
    #[error("it has a control character in it, such as the end of a line")]
    Control,
}

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It could not be read.
    #[error("cannot read the secret in {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is in it is not a secret.
    #[error("the secret in {} is refused: {source}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SecretError,
    },
}

impl Secret {
    /// These bytes without the white space around them.
    ///
    /// # Errors
    /// Nothing is left, it is too long, or it could not be sent in an HTTP header.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        if bytes.len() > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong);
        }
        if bytes.iter().any(u8::is_ascii_control) {
            return Err(SecretError::Control);
        }
        Ok(Self(bytes.into()))
    }

    /// The content of a file.
    ///
    /// # Errors
    /// It cannot be read, or is no secret.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let unreadable =
            |source: io::Error| SecretFileError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::with_capacity(MAX_FILE_BYTES + 1);
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let secret = if bytes.len() > MAX_FILE_BYTES {
            Err(SecretError::TooLong)
        } else {
            Self::new(&bytes)
        };
        secret.map_err(|source| SecretFileError::Content { path: path.to_owned(), source })
    }

    /// Whether it is this one. How long that takes tells nothing but the lengths.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        self.0.ct_eq(given).into()
    }

    /// For whoever sends it to somebody.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// `Bearer <secret>`, which no log shows either.
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        let mut value = HeaderValue::from_bytes(&[b"Bearer ", &*self.0].concat())
            .unwrap_or_else(|_| unreachable!("a secret has no control characters"));
        value.set_sensitive(true);
        value
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.reveal())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_stands_between_white_space() {
        let check = |text: &[u8], expected: Result<&[u8], SecretError>| {
            let secret = Secret::new(text);
            assert_eq!(secret.as_ref().map(Secret::reveal).map_err(|error| *error), expected);
        };
        check(b"abc", Ok(b"abc"));
        check(b" a b\xc3\xa9c\n", Ok(b"a b\xc3\xa9c"));
        check(b" \r\n", Err(SecretError::Empty));
        check(b"a\nb", Err(SecretError::Control));
        check(b"a\x7f", Err(SecretError::Control));
        check(&[b'x'; MAX_SECRET_BYTES], Ok(&[b'x'; MAX_SECRET_BYTES]));
        check(&[b'x'; MAX_SECRET_BYTES + 1], Err(SecretError::TooLong));
    }

    #[test]
    fn credentials_are_those_of_their_scheme() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(credentials(b"Basic abc", "Basic"), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Bearerabc", b"Basic abc"] {
            assert_eq!(bearer(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_secret_is_compared_and_not_shown() {
        let secret = Secret::new(b"abc").expect("a secret");
        assert!(secret.is(b"abc"));
        for other in [&b""[..], b"ab", b"abd", b"abcd"] {
            assert!(!secret.is(other), "{other:?}");
        }
        assert_eq!(format!("{secret:?} {:?}", secret.bearer()), "Secret Sensitive");
        assert_eq!(secret.bearer().as_bytes(), b"Bearer abc");
    }

    #[test]
    fn a_file_is_read_within_bounds() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        let error = Secret::read(&path).expect_err("no file");
        assert!(error.to_string().contains("token"), "{error}");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).expect("written");
            Secret::read(&path)
        };
        assert!(read(b"abc\n").is_ok_and(|secret| secret.is(b"abc")));
        assert!(matches!(read(b"\n"), Err(SecretFileError::Content { .. })));
        let padded = |n: usize| [b"x".to_vec(), vec![b'\n'; n]].concat();
        assert!(read(&padded(MAX_FILE_BYTES - 1)).is_ok_and(|secret| secret.is(b"x")));
        let error = read(&padded(MAX_FILE_BYTES)).expect_err("too long");
        assert!(error.to_string().contains("longer than"), "{error}");
    }

    #[test]
    fn a_file_is_read_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        assert!(SecretFile::new(path.clone()).is_err());
        std::fs::write(&path, "old\n").expect("written");
        let file = SecretFile::new(path.clone()).expect("a secret");
        assert!(file.is(b"old").is_ok_and(|is_right| is_right));
        std::fs::write(&path, "new\n").expect("written");
        assert!(file.is(b"old").is_ok_and(|is_right| !is_right));
        assert!(file.is(b"new").is_ok_and(|is_right| is_right));
        std::fs::remove_file(&path).expect("removed");
        assert!(file.is(b"new").is_err());
    }
}
