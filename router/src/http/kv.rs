//! Shell. Values over HTTP: `/kv/{key}`, with versions as ETags for compare-and-set.

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use resp::{Command, Value};

use super::{Api, HttpError};

/// Seconds until the value expires: asked for with PUT, told with GET.
const TTL_HEADER: &str = "ringkv-ttl";

pub(super) async fn get(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let key = key(&uri)?;
    match execute(&api, &[b"RINGKV.GET", &key]).await? {
        Value::Array(Some(parts)) => {
            let [value, version, ttl_ms] = &parts[..] else { return Err(odd_answer()) };
            let value = value.as_bytes().cloned().ok_or_else(odd_answer)?;
            let etag = etag(version).ok_or_else(odd_answer)?;
            let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| {
                tags.to_str().is_ok_and(|tags| tags == "*" || lists(tags, &etag))
            });
            let mut response = if known {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                value.into_response()
            };
            set(&mut response, "etag", &etag);
            if let Some(ms) = ttl_ms.as_integer().filter(|ms| *ms >= 0) {
                let seconds = (ms + 999) / 1_000;
                set(&mut response, TTL_HEADER, &seconds.to_string());
            }
            Ok(response)
        }
        value if value.is_null() => Err(absent()),
        _ => Err(odd_answer()),
    }
}

pub(super) async fn put(State(api): State<Api>, request: Request) -> Result<Response, HttpError> {
    let key = key(request.uri())?;
    let condition = Condition::of(request.headers())?;
    let ttl_ms = ttl_ms(request.headers())?;
    let limit = api.0.value_bytes_max;
    let value = Bytes::from_request(request, &api).await.map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("a value has at most {limit} bytes");
            return HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "value too large", detail);
        }
        bad_request(error.body_text())
    })?;
    let mut words: Vec<&[u8]> = vec![b"RINGKV.PUT", &key, &value];
    let ttl_ms = ttl_ms.map(|ms| ms.to_string());
    condition.push_to(&mut words, true)?;
    if let Some(ms) = &ttl_ms {
        words.extend([b"PX", ms.as_bytes()]);
    }
    let answer = execute(&api, &words).await?;
    match pair(&answer).ok_or_else(odd_answer)? {
        (1, version) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            set(&mut response, "etag", &etag(version).ok_or_else(odd_answer)?);
            Ok(response)
        }
        (_, current) => Err(precondition_failed(current)),
    }
}

pub(super) async fn delete(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let key = key(&uri)?;
    let condition = Condition::of(&headers)?;
    let mut words: Vec<&[u8]> = vec![b"RINGKV.REMOVE", &key];
    condition.push_to(&mut words, false)?;
    let answer = execute(&api, &words).await?;
    match pair(&answer).ok_or_else(odd_answer)? {
        (1, _) => Ok(StatusCode::NO_CONTENT.into_response()),
        (_, current) if matches!(condition, Condition::Version(_)) => {
            Err(precondition_failed(current))
        }
        _ => Err(absent()),
    }
}

async fn execute(api: &Api, words: &[&[u8]]) -> Result<Value, HttpError> {
    let reply = api.execute(Command::new(words)).await?;
    match Value::parse(&reply) {
        Ok(Value::Error(error)) => Err(command_error(&String::from_utf8_lossy(&error))),
        Ok(value) => Ok(value),
        Err(_) => Err(odd_answer()),
    }
}

fn command_error(error: &str) -> HttpError {
    let (code, text) = error.split_once(' ').unwrap_or(("ERR", error));
    match (code, text) {
        ("TRYAGAIN", text) => HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "try again", text),
        ("ERR", text) if text.starts_with("outcome unknown") => {
            HttpError::new(StatusCode::BAD_GATEWAY, "outcome unknown", text)
        }
        ("ERR", text) if text.starts_with("disk full") => {
            HttpError::new(StatusCode::INSUFFICIENT_STORAGE, "disk full", text)
        }
        ("ERR", text) => bad_request(text),
        (code, text) => {
            let detail = format!("{code} {text}");
            HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "server error", detail)
        }
    }
}

/// The key in a path, percent-decoded: any bytes.
pub(crate) fn key(uri: &Uri) -> Result<Vec<u8>, HttpError> {
    // Something was meant by it, and would not be done.
    if uri.query().is_some() {
        return Err(bad_request(
            "a value takes no query: in a key ? is %3F, and the time to live is in the header \
             Ringkv-Ttl, in seconds",
        ));
    }
    let text = uri.path().strip_prefix("/kv/").unwrap_or_default();
    percent_decode(text.as_bytes())
        .ok_or_else(|| bad_request("in a key, % is followed by two hexadecimal digits"))
}

fn percent_decode(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        text = rest;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let (digits, rest) = text.split_at_checked(2)?;
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let [high, low] = digits else { return None };
        decoded.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        text = rest;
    }
    Some(decoded)
}

/// What must hold for a change to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Nothing,
    Absent,
    Version(String),
}

impl Condition {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let text = |name| match headers.get(name).map(header::HeaderValue::to_str) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(bad_request("a condition is an ETag in quotes, or *")),
        };
        match (text(header::IF_MATCH)?, text(header::IF_NONE_MATCH)?) {
            (None, None) => Ok(Self::Nothing),
            (None, Some("*")) => Ok(Self::Absent),
            (Some(tag), None) => {
                let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let version = version.filter(|version| version.parse::<u64>().is_ok());
                let version = version.ok_or_else(|| {
                    bad_request("If-Match takes one ETag as it was answered: a version in quotes")
                })?;
                Ok(Self::Version(version.to_owned()))
            }
            (None, Some(_)) => Err(bad_request("for a change If-None-Match takes * alone")),
            (Some(_), Some(_)) => Err(bad_request("send If-Match or If-None-Match, not both")),
        }
    }

    fn push_to<'a>(
        &'a self,
        words: &mut Vec<&'a [u8]>,
        may_be_absent: bool,
    ) -> Result<(), HttpError> {
        match self {
            Self::Nothing => {}
            Self::Absent if may_be_absent => words.push(b"IFNONE"),
            Self::Absent => return Err(bad_request("DELETE takes If-Match, not If-None-Match")),
            Self::Version(version) => words.extend([b"IFMATCH", version.as_bytes()]),
        }
        Ok(())
    }
}

pub(crate) fn ttl_ms(headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    let Some(text) = headers.get(TTL_HEADER) else { return Ok(None) };
    let seconds = text.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    let ms = seconds.filter(|seconds| *seconds > 0).and_then(|seconds| seconds.checked_mul(1_000));
    ms.map(Some).ok_or_else(|| bad_request("Ringkv-Ttl is a number of seconds, 1 at least"))
}

fn pair(answer: &Value) -> Option<(i64, &Value)> {
    match answer.as_slice()? {
        [done, version] => Some((done.as_integer()?, version)),
        _ => None,
    }
}

/// A version comes as a number or, as it may be above what RESP numbers hold, as text.
fn etag(version: &Value) -> Option<String> {
    let version = match version {
        Value::Integer(version) => version.to_string(),
        other => String::from_utf8(other.as_bytes()?.to_vec()).ok()?,
    };
    Some(format!("\"{version}\""))
}

fn lists(tags: &str, etag: &str) -> bool {
    tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

fn precondition_failed(current: &Value) -> HttpError {
    let etag = if current.is_null() { None } else { etag(current) };
    let detail = match &etag {
        Some(etag) => format!("the value has version {etag} now; read it again and decide anew"),
        None => "there is no value under this key".to_owned(),
    };
    let error = HttpError::new(StatusCode::PRECONDITION_FAILED, "precondition failed", detail);
    HttpError { etag, ..error }
}

fn absent() -> HttpError {
    HttpError::new(StatusCode::NOT_FOUND, "no value", "there is no value under this key")
}

fn bad_request(detail: impl Into<String>) -> HttpError {
    HttpError::new(StatusCode::BAD_REQUEST, "bad request", detail)
}

fn odd_answer() -> HttpError {
    let detail = "a server gave an answer that is not understood";
    HttpError::new(StatusCode::BAD_GATEWAY, "bad answer", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_any_bytes() {
        let check = |text: &str, key: Option<&[u8]>| {
            assert_eq!(percent_decode(text.as_bytes()).as_deref(), key, "{text}");
        };
        check("a", Some(b"a"));
        check("a/b%2Fc%20", Some(b"a/b/c "));
        check("%00%fF", Some(b"\0\xff"));
        check("100%", None);
        check("%2", None);
        check("%zz", None);
        check("%+1", None);
    }

    #[test]
    fn a_query_is_no_part_of_a_key() {
        let read = |text: &'static str| key(&Uri::from_static(text)).ok();
        assert_eq!(read("/kv/a%3Fttl=1"), Some(b"a?ttl=1".to_vec()));
        assert_eq!(read("/kv/a?ttl=1"), None);
    }

    #[test]
    fn conditions_are_read() {
        let check = |pairs: &[(header::HeaderName, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (name.clone(), value.parse::<header::HeaderValue>().expect("a value"))
            });
            Condition::of(&pairs.collect()).ok()
        };
        assert_eq!(check(&[]), Some(Condition::Nothing));
        assert_eq!(check(&[(header::IF_NONE_MATCH, "*")]), Some(Condition::Absent));
        let version = Condition::Version("12".to_owned());
        assert_eq!(check(&[(header::IF_MATCH, "\"12\"")]), Some(version));
        assert_eq!(check(&[(header::IF_MATCH, "12")]), None);
        assert_eq!(check(&[(header::IF_MATCH, "*")]), None);
        assert_eq!(check(&[(header::IF_MATCH, "\"x\"")]), None);
        assert_eq!(check(&[(header::IF_NONE_MATCH, "\"12\"")]), None);
    }
}
