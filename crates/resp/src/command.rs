//! Pure. A decoded command: one frame and where its arguments are in it.

use bytes::{Bytes, BytesMut};

use crate::encode;

/// Commands up to this many arguments need no allocation; `SET k v PX 1 NX` has six.
const INLINE_SPANS: usize = 6;

/// One command as a client sent it.
///
/// Its frame is a slice of the read buffer, and keeping the command or one of its
/// [`Command::arg_bytes`] keeps that whole buffer: copy what is to be kept for long.
#[derive(Clone)]
pub struct Command {
    frame: Bytes,
    spans: Spans,
}

impl Command {
    /// Encodes `args`, the name first, as a command.
    ///
    /// Frames over 4 GiB have no spans for what is beyond, and arguments there read as absent.
    pub fn new<A: AsRef<[u8]>>(args: &[A]) -> Self {
        let mut frame = BytesMut::new();
        let mut spans = Spans::default();
        encode::array_header(&mut frame, args.len());
        for arg in args {
            encode::bulk(&mut frame, arg.as_ref());
            let end = frame.len() - 2;
            if let Some(span) = Span::new(end - arg.as_ref().len(), end) {
                spans.push(span);
            }
        }
        Self { frame: frame.freeze(), spans }
    }

    pub(crate) fn from_parts(frame: Bytes, spans: Spans) -> Self {
        Self { frame, spans }
    }

    /// The name as sent; empty for a command without arguments, which no decoder gives.
    pub fn name(&self) -> &[u8] {
        self.arg(0).unwrap_or_default()
    }

    /// Number of arguments, the name included.
    #[expect(clippy::len_without_is_empty, reason = "a decoded command is never empty")]
    pub fn len(&self) -> usize {
        self.spans.as_slice().len()
    }

    /// Argument `index`; 0 is the name.
    #[inline]
    pub fn arg(&self, index: usize) -> Option<&[u8]> {
        let span = self.spans.as_slice().get(index)?;
        self.frame.get(span.start as usize..span.end as usize)
    }

    /// Argument `index` as a slice of the frame, not copied.
    pub fn arg_bytes(&self, index: usize) -> Option<Bytes> {
        self.arg(index).map(|arg| self.frame.slice_ref(arg))
    }

    /// All arguments, the name first.
    pub fn args(&self) -> Args<'_> {
        Args { frame: &self.frame, spans: self.spans.as_slice().iter() }
    }

    /// The frame: an array of bulk strings in canonical form. That of an inline command is the
    /// same command re-encoded.
    pub fn raw(&self) -> &Bytes {
        &self.frame
    }

    /// The frame, without the spans.
    pub fn into_raw(self) -> Bytes {
        self.frame
    }

    /// Whether the name is `word`, in whatever case.
    pub fn name_is(&self, word: &str) -> bool {
        is_keyword(self.name(), word)
    }

    /// Whether argument `index` is `word`, in whatever case.
    pub fn arg_is(&self, index: usize, word: &str) -> bool {
        self.arg(index).is_some_and(|arg| is_keyword(arg, word))
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.frame == other.frame
    }
}

impl Eq for Command {}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.args().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// Whether `arg` is `word`, in whatever case (ASCII).
pub fn is_keyword(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Iterator over the arguments of a [`Command`].
#[derive(Debug, Clone)]
pub struct Args<'a> {
    frame: &'a Bytes,
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let span = self.spans.next()?;
        self.frame.get(span.start as usize..span.end as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Args<'_> {}

/// Where an argument is in its frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// `None` beyond 4 GiB, where the decoder's limit lets no frame come.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }
}

/// The spans of a command, in the struct itself while they are few.
#[derive(Debug, Clone)]
pub(crate) enum Spans {
    Few { count: u8, spans: [Span; INLINE_SPANS] },
    Many(Vec<Span>),
}

impl Default for Spans {
    fn default() -> Self {
        Self::Few { count: 0, spans: [Span::default(); INLINE_SPANS] }
    }
}

impl Spans {
    #[inline]
    pub(crate) fn push(&mut self, span: Span) {
        match self {
            Self::Few { count, spans } => match spans.get_mut(usize::from(*count)) {
                Some(slot) => {
                    *slot = span;
                    *count += 1;
                }
                None => {
                    let mut many = Vec::with_capacity(INLINE_SPANS * 4);
                    many.extend_from_slice(spans);
                    many.push(span);
                    *self = Self::Many(many);
                }
            },
            Self::Many(spans) => spans.push(span),
        }
    }

    #[inline]
    fn as_slice(&self) -> &[Span] {
        match self {
            Self::Few { count, spans } => spans.get(..usize::from(*count)).unwrap_or_default(),
            Self::Many(spans) => spans,
        }
    }
}
