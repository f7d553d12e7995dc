//! What the tests of both decoders share: small limits, and a stream in pieces.

use bytes::BytesMut;

use crate::{Limits, ProtocolError};

pub(super) const SMALL: Limits = Limits {
    max_args: 4,
    max_bulk_bytes: 10,
    max_inline_bytes: 32,
    max_command_bytes: 64,
    max_reply_depth: 4,
    max_reply_bytes: 64,
};

/// Decodes `pieces` as they arrive one after the other: the items, and the error that ends them.
pub(super) fn decode<'a, T>(
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, ProtocolError>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<T>, Option<ProtocolError>)
where
    T: std::fmt::Debug + PartialEq,
{
    let mut buffer = BytesMut::new();
    let mut items = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decode(&mut buffer) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decode(&mut buffer), Err(error), "an error stays");
                    return (items, Some(error));
                }
            }
        }
    }
    (items, None)
}
