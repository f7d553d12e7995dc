//! Pure. What the API server said when it refused, in its own words.

use kube::Error;

/// Whether the object is gone, or is another one or another version than was meant: whoever plans
/// from facts looks again.
pub(crate) fn has_changed(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 404 | 409))
}

/// The message alone, where there is one: the whole answer is of no use to a person.
pub(crate) fn in_words(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => error.to_string(),
    }
}
