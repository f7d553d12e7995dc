//! Shell. The password of HTTP clients: `Bearer <password>`, or `Basic` with any user.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialect::PasswordCheck;
use node_api::{MAX_SECRET_BYTES, credentials};

use super::{Api, HttpError};

/// The longest header that is looked at: user and password, encoded.
const MAX_CREDENTIALS_BYTES: usize = 4 * MAX_SECRET_BYTES;

/// Lets those pass who give the password, if one is asked for.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    if api.0.access.password.is_none() {
        return next.run(request).await;
    }
    let Some(given) = password(request.headers()) else { return refuse("password required") };
    match api.0.access.check_password(&given) {
        PasswordCheck::Right => next.run(request).await,
        PasswordCheck::Wrong => refuse("wrong password"),
        PasswordCheck::Unknown => {
            let detail = "the password cannot be checked now; the log of the router says why";
            HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "password unknown", detail)
                .into_response()
        }
    }
}

fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    if value.len() > MAX_CREDENTIALS_BYTES {
        return None;
    }
    if let Some(password) = credentials(value, "Bearer") {
        return Some(password.to_vec());
    }
    let decoded = STANDARD.decode(credentials(value, "Basic")?).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.get(colon + 1..)?.to_vec())
}

fn refuse(title: &str) -> Response {
    let detail = "send the header authorization: Bearer <password>, or Basic with any user";
    let mut response = HttpError::new(StatusCode::UNAUTHORIZED, title, detail).into_response();
    let schemes = HeaderValue::from_static("Basic realm=\"ringkv\", Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, schemes);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_carry_the_password() {
        let check = |value: &str, expected: Option<&str>| {
            let value = value.parse().expect("a value");
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            assert_eq!(password(&headers).as_deref(), expected.map(str::as_bytes));
        };
        check("Bearer secret", Some("secret"));
        check("Basic YW55OnNlY3JldA==", Some("secret"));
        check("basic OnNlOmNyZXQ=", Some("se:cret"));
        check("Basic c2VjcmV0", None);
        check("Basic ?", None);
        check("Digest secret", None);
        let longest = "x".repeat(MAX_CREDENTIALS_BYTES - "Bearer ".len());
        check(&format!("Bearer {longest}"), Some(&longest));
        check(&format!("Bearer {longest}x"), None);
        assert_eq!(password(&HeaderMap::new()), None);
    }
}
