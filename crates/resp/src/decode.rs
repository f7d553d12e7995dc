//! Pure. The server side's decoder: commands out of a byte stream.

use std::mem;

use bytes::{Buf, BytesMut};

use crate::command::{Command, Span, Spans};
use crate::error::{ProtocolError, Refusal};
use crate::inline;
use crate::limits::{Limits, MAX_BULK_BYTES};
use crate::number::{self, NumberLine};

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A command to run.
    Command(Command),
    /// A command over a limit, to be answered with the error that [`Refusal::encode`] writes.
    Refused(Refusal),
}

/// Finds commands in the bytes of one connection.
///
/// The caller appends to the buffer as bytes arrive and takes nothing out of it; the decoder
/// remembers how far it got.
#[derive(Debug)]
pub struct CommandDecoder {
    limits: Limits,
    state: State,
    /// The frame at hand in [`State::Frame`]; here and not in the state, to be built in place.
    frame: Frame,
}

#[derive(Debug)]
enum State {
    /// Before the first byte of a command.
    Start,
    /// In a line of which `scanned` bytes hold no line end.
    Inline { scanned: usize },
    /// In an array of bulk strings.
    Frame,
    /// Dropping the rest of a frame over a limit.
    Skip(Skip),
    /// Nothing after an error can be trusted.
    Failed(ProtocolError),
}

/// A frame in the buffer, understood up to the header of its next argument.
#[derive(Debug, Default)]
struct Frame {
    args_left: usize,
    position: usize,
    spans: Spans,
}

/// A refused frame; what was received of it is out of the buffer.
#[derive(Debug)]
struct Skip {
    refusal: Refusal,
    args_left: usize,
    /// Bytes left of the argument being dropped, before its CRLF.
    bulk_left: Option<usize>,
}

/// Header of an argument.
enum Header {
    Partial,
    Bulk { size: usize, bytes: usize },
}

impl CommandDecoder {
    /// A decoder at the start of a connection.
    pub fn new(mut limits: Limits) -> Self {
        limits.max_command_bytes = limits.max_command_bytes.min(u32::MAX as usize);
        Self { limits, state: State::Start, frame: Frame::default() }
    }

    /// Takes the next command out of `buffer`; `None` when more bytes are needed.
    ///
    /// Empty lines and empty arrays are passed over, as in Redis. After an error every further
    /// call gives the same error.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Decoded>, ProtocolError> {
        let result = self.advance(buffer);
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    /// How many bytes beyond those in `buffer` the argument at hand needs, 0 if unknown. A hint
    /// for the size of the next read; not to be reserved whole, for the peer chose it.
    pub fn missing(&self, buffer: &BytesMut) -> usize {
        let State::Frame = self.state else { return 0 };
        let frame = &self.frame;
        match read_header(buffer.get(frame.position..).unwrap_or_default()) {
            Ok(Header::Bulk { size, bytes }) => {
                (frame.position + size + bytes + 2).saturating_sub(buffer.len())
            }
            _ => 0,
        }
    }

    /// Other limits, from the next command on.
    pub fn set_limits(&mut self, limits: Limits) {
        let max_command_bytes = limits.max_command_bytes.min(u32::MAX as usize);
        self.limits = Limits { max_command_bytes, ..limits };
    }

    /// Whether no command has begun of which bytes are still to come.
    pub fn is_between_commands(&self, buffer: &BytesMut) -> bool {
        matches!(self.state, State::Start) && buffer.is_empty()
    }

    fn advance(&mut self, buffer: &mut BytesMut) -> Result<Option<Decoded>, ProtocolError> {
        loop {
            match &mut self.state {
                State::Start => match buffer.first() {
                    None => return Ok(None),
                    Some(b'*') => {
                        if !self.start_frame(buffer)? {
                            return Ok(None);
                        }
                    }
                    Some(_) => self.state = State::Inline { scanned: 0 },
                },
                State::Frame => match self.frame.advance(buffer, &self.limits)? {
                    Progress::Partial => return Ok(None),
                    Progress::Done => {
                        self.state = State::Start;
                        return Ok(Some(Decoded::Command(self.frame.take(buffer))));
                    }
                    Progress::Refused(refusal) => {
                        let args_left = self.frame.args_left;
                        buffer.advance(self.frame.position);
                        self.frame = Frame::default();
                        self.state = State::Skip(Skip { refusal, args_left, bulk_left: None });
                    }
                },
                State::Skip(skip) => {
                    if !skip.advance(buffer)? {
                        return Ok(None);
                    }
                    let refusal = skip.refusal;
                    self.state = State::Start;
                    return Ok(Some(Decoded::Refused(refusal)));
                }
                State::Inline { scanned } => {
                    let Some(line) = take_line(buffer, scanned, self.limits.max_inline_bytes)?
                    else {
                        return Ok(None);
                    };
                    self.state = State::Start;
                    if let Some(decoded) = self.inline_command(&line)? {
                        return Ok(Some(decoded));
                    }
                }
                State::Failed(error) => return Err(*error),
            }
        }
    }

    /// Reads the header of an array; false when it is not whole yet.
    #[inline]
    fn start_frame(&mut self, buffer: &mut BytesMut) -> Result<bool, ProtocolError> {
        let (count, header_size) = match number::read_line(buffer.get(1..).unwrap_or_default()) {
            NumberLine::Partial => return Ok(false),
            NumberLine::Invalid => return Err(ProtocolError::InvalidMultibulkLength),
            NumberLine::Number { value, size } => (value, 1 + size),
        };
        if count > i64::from(i32::MAX) {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        let Some(args_left) = usize::try_from(count).ok().filter(|count| *count > 0) else {
            buffer.advance(header_size);
            return Ok(true);
        };
        self.state = if args_left > self.limits.max_args {
            buffer.advance(header_size);
            let refusal =
                Refusal::TooManyArguments { count: args_left, limit: self.limits.max_args };
            State::Skip(Skip { refusal, args_left, bulk_left: None })
        } else {
            self.frame.args_left = args_left;
            self.frame.position = header_size;
            State::Frame
        };
        Ok(true)
    }

    fn inline_command(&self, line: &[u8]) -> Result<Option<Decoded>, ProtocolError> {
        let args = inline::split(line)?;
        let Limits { max_args, max_bulk_bytes, max_command_bytes, .. } = self.limits;
        if args.is_empty() {
            return Ok(None);
        }
        let longest = args.iter().map(Vec::len).max().unwrap_or(0);
        let refusal = if args.len() > max_args {
            Refusal::TooManyArguments { count: args.len(), limit: max_args }
        } else if longest > max_bulk_bytes {
            Refusal::ArgumentTooLarge { bytes: longest, limit: max_bulk_bytes }
        } else {
            let command = Command::new(&args);
            if command.raw().len() <= max_command_bytes {
                return Ok(Some(Decoded::Command(command)));
            }
            Refusal::CommandTooLarge { limit: max_command_bytes }
        };
        Ok(Some(Decoded::Refused(refusal)))
    }
}

enum Progress {
    Partial,
    Done,
    Refused(Refusal),
}

impl Frame {
    /// Goes over the arguments that are whole in `buffer`.
    #[inline]
    fn advance(&mut self, buffer: &[u8], limits: &Limits) -> Result<Progress, ProtocolError> {
        while self.args_left > 0 {
            let rest = buffer.get(self.position..).unwrap_or_default();
            let (size, bytes) = match read_header(rest)? {
                Header::Partial => return Ok(Progress::Partial),
                Header::Bulk { size, bytes } => (size, bytes),
            };
            if bytes > limits.max_bulk_bytes {
                let limit = limits.max_bulk_bytes;
                return Ok(Progress::Refused(Refusal::ArgumentTooLarge { bytes, limit }));
            }
            let start = self.position + size;
            let end = start + bytes;
            let Some(span) = Span::new(start, end).filter(|_| end + 2 <= limits.max_command_bytes)
            else {
                let limit = limits.max_command_bytes;
                return Ok(Progress::Refused(Refusal::CommandTooLarge { limit }));
            };
            match buffer.get(end..).unwrap_or_default() {
                [b'\r', b'\n', ..] => {}
                [] | [b'\r'] => return Ok(Progress::Partial),
                _ => return Err(ProtocolError::ExpectedCrlf),
            }
            self.spans.push(span);
            self.position = end + 2;
            self.args_left -= 1;
        }
        Ok(Progress::Done)
    }

    fn take(&mut self, buffer: &mut BytesMut) -> Command {
        Command::from_parts(buffer.split_to(self.position).freeze(), mem::take(&mut self.spans))
    }
}

impl Skip {
    /// Drops what has arrived of the frame; true when that was all of it.
    fn advance(&mut self, buffer: &mut BytesMut) -> Result<bool, ProtocolError> {
        while self.args_left > 0 {
            let Some(bulk_left) = &mut self.bulk_left else {
                match read_header(buffer)? {
                    Header::Partial => return Ok(false),
                    Header::Bulk { size, bytes } => {
                        buffer.advance(size);
                        self.bulk_left = Some(bytes);
                    }
                }
                continue;
            };
            let dropped = (*bulk_left).min(buffer.len());
            buffer.advance(dropped);
            *bulk_left -= dropped;
            match buffer.as_ref() {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] => buffer.advance(2),
                _ => return Err(ProtocolError::ExpectedCrlf),
            }
            self.bulk_left = None;
            self.args_left -= 1;
        }
        Ok(true)
    }
}

#[inline]
fn read_header(bytes: &[u8]) -> Result<Header, ProtocolError> {
    let number = match bytes {
        [] => return Ok(Header::Partial),
        [b'$', number @ ..] => number,
        [got, ..] => return Err(ProtocolError::ExpectedBulk { got: *got }),
    };
    match number::read_line(number) {
        NumberLine::Partial => Ok(Header::Partial),
        NumberLine::Invalid => Err(ProtocolError::InvalidBulkLength),
        NumberLine::Number { value, size } => match usize::try_from(value) {
            Ok(bytes) if bytes <= MAX_BULK_BYTES => Ok(Header::Bulk { size: 1 + size, bytes }),
            _ => Err(ProtocolError::InvalidBulkLength),
        },
    }
}

/// Takes a line, without its end, of at most `max_bytes`.
fn take_line(
    buffer: &mut BytesMut,
    scanned: &mut usize,
    max_bytes: usize,
) -> Result<Option<BytesMut>, ProtocolError> {
    let fresh = buffer.get(*scanned..).unwrap_or_default();
    let Some(found) = fresh.iter().position(|byte| *byte == b'\n') else {
        *scanned = buffer.len();
        // The line's CR may have come without its LF.
        return if *scanned > max_bytes + 1 {
            Err(ProtocolError::InlineTooLarge)
        } else {
            Ok(None)
        };
    };
    let mut line = buffer.split_to(*scanned + found);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    if line.len() > max_bytes { Err(ProtocolError::InlineTooLarge) } else { Ok(Some(line)) }
}
