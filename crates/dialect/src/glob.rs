//! Pure. Patterns of KEYS and SCAN, as Redis reads them: `*`, `?`, `[a-c]`, `[^x]`, `\` quotes.

/// A pattern, read once. Matching takes at most pattern times text steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Byte(u8),
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

impl Token {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != *negated
            }
        }
    }
}

impl Glob {
    /// Reads a pattern; every byte string is one.
    #[must_use]
    pub fn new(mut pattern: &[u8]) -> Self {
        let mut tokens = Vec::new();
        while let [first, rest @ ..] = pattern {
            pattern = rest;
            tokens.push(match (first, rest) {
                (b'*', _) if tokens.last() == Some(&Token::Star) => continue,
                (b'*', _) => Token::Star,
                (b'?', _) => Token::Any,
                (b'[', _) => read_class(&mut pattern),
                (b'\\', [quoted, rest @ ..]) => {
                    pattern = rest;
                    Token::Byte(*quoted)
                }
                (byte, _) => Token::Byte(*byte),
            });
        }
        Self(tokens)
    }

    /// Whether the whole text fits.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut tokens, mut rest) = (self.0.as_slice(), text);
        // Where to go on after a mismatch: behind the last star, which takes one byte more.
        let mut retry: Option<(&[Token], &[u8])> = None;
        loop {
            match (tokens, rest) {
                ([], []) => return true,
                ([Token::Star, after @ ..], _) => {
                    retry = Some((after, rest));
                    tokens = after;
                    continue;
                }
                ([token, after @ ..], [byte, rest_after @ ..]) if token.fits(*byte) => {
                    (tokens, rest) = (after, rest_after);
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((after, [_, from @ ..])) => {
                    retry = Some((after, from));
                    (tokens, rest) = (after, from);
                }
                _ => return false,
            }
        }
    }
}

/// Reads a class behind its `[`; one that is not closed ends with the pattern.
fn read_class(pattern: &mut &[u8]) -> Token {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        *pattern = pattern.get(1..).unwrap_or_default();
    }
    let mut ranges = Vec::new();
    loop {
        let (range, rest) = match *pattern {
            [] => break,
            [b']', rest @ ..] => {
                *pattern = rest;
                break;
            }
            [b'\\', quoted, rest @ ..] => ((*quoted, *quoted), rest),
            [low, b'-', high, rest @ ..] => ((*low.min(high), *low.max(high)), rest),
            [byte, rest @ ..] => ((*byte, *byte), rest),
        };
        ranges.push(range);
        *pattern = rest;
    }
    Token::Class { negated, ranges }
}
