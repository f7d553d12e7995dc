//! Pure. Replies of RESP2 and RESP3, read without the code under test.

use anyhow::{Context, bail};

/// The deepest reply that is read.
const MAX_DEPTH: usize = 16;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`, or no value.
    Bulk(Option<Vec<u8>>),
    /// `*`, `~`, `%` or `>`, flat, with its type; or no array.
    List(u8, Option<Vec<Reply>>),
    /// Any other type, as it came.
    Other(Vec<u8>),
}

impl Reply {
    /// Reads a whole frame.
    ///
    /// # Errors
    /// It is not one frame.
    pub fn parse(frame: &[u8]) -> anyhow::Result<Self> {
        match read(frame, 0, 0)? {
            Some((reply, end)) if end == frame.len() => Ok(reply),
            _ => bail!("not one reply: {}", frame.escape_ascii()),
        }
    }

    /// Its elements, for a list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(_, Some(items)) => items,
            _ => &[],
        }
    }

    /// Its bytes, for a string.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(Some(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// Where the first frame ends, or `None` where bytes are missing.
///
/// # Errors
/// It is not RESP.
pub fn frame_end(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    Ok(read(bytes, 0, 0)?.map(|(_, end)| end))
}

fn read(bytes: &[u8], at: usize, depth: usize) -> anyhow::Result<Option<(Reply, usize)>> {
    if depth > MAX_DEPTH {
        bail!("nested deeper than {MAX_DEPTH}");
    }
    let rest = &bytes[at..];
    let Some(length) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let (line, end) = (&rest[..length], at + length + 2);
    let Some((kind, text)) = line.split_first() else { bail!("an empty line") };
    let number = || -> anyhow::Result<i64> {
        let text = String::from_utf8_lossy(text);
        text.parse().with_context(|| format!("not a number: {}", line.escape_ascii()))
    };
    let reply = match kind {
        b'+' => Reply::Simple(text.to_vec()),
        b'-' => Reply::Error(text.to_vec()),
        b':' => Reply::Integer(number()?),
        b'$' | b'=' | b'!' => match usize::try_from(number()?) {
            Err(_) => Reply::Bulk(None),
            Ok(length) => {
                let Some(content) = bytes.get(end..end + length + 2) else { return Ok(None) };
                let Some(content) = content.strip_suffix(b"\r\n") else { bail!("no CRLF") };
                return Ok(Some((Reply::Bulk(Some(content.to_vec())), end + length + 2)));
            }
        },
        b'*' | b'~' | b'%' | b'>' => return read_list(bytes, end, depth, *kind, number()?),
        b'_' | b',' | b'#' | b'(' => Reply::Other(line.to_vec()),
        _ => bail!("not RESP: {}", line.escape_ascii()),
    };
    Ok(Some((reply, end)))
}

fn read_list(
    bytes: &[u8],
    mut at: usize,
    depth: usize,
    kind: u8,
    count: i64,
) -> anyhow::Result<Option<(Reply, usize)>> {
    let Ok(count) = usize::try_from(count) else { return Ok(Some((Reply::List(kind, None), at))) };
    let mut items = Vec::new();
    for _ in 0..if kind == b'%' { count * 2 } else { count } {
        let Some((item, end)) = read(bytes, at, depth + 1)? else { return Ok(None) };
        items.push(item);
        at = end;
    }
    Ok(Some((Reply::List(kind, Some(items)), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_ends_where_its_last_element_ends() {
        for frame in [
            &b"+OK\r\n"[..],
            b"-ERR no\r\n",
            b":-5\r\n",
            b"$-1\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            b"%1\r\n+a\r\n_\r\n",
            b"=7\r\ntxt:abc\r\n",
            b"*-1\r\n",
        ] {
            let more = [frame, b"+OK\r\n"].concat();
            assert_eq!(frame_end(&more).expect("RESP"), Some(frame.len()));
            for cut in 0..frame.len() {
                assert_eq!(frame_end(&frame[..cut]).expect("RESP so far"), None);
            }
            assert!(Reply::parse(frame).is_ok());
            assert!(Reply::parse(&more).is_err());
        }
        assert!(frame_end(b"what\r\n").is_err());
    }
}
