use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use handoff::Incarnation;

use super::*;
use crate::types::Change;

const REQUEST: Request = Request { term: 7, incarnation: Incarnation(9), change: Change::Term };
/// The end of its body.
const BODY_END: &[u8] = br#"9","change":"term"}"#;

/// What the client makes of one answer to `POST /change`.
async fn ask(answer: &str) -> Result<(), ClientError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY_END) {
            assert!(connection.read_buf(&mut request).await.unwrap() > 0);
        }
        assert!(request.starts_with(b"POST /admin/v1/change HTTP/1.1\r\n"));
        connection.write_all(answer.as_bytes()).await.unwrap();
        connection
    };
    let client = NodeClient::new(Duration::from_millis(200));
    let (result, _connection) = tokio::join!(client.change(&address, &REQUEST), server);
    result
}

#[tokio::test]
async fn a_token_is_shown_with_every_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let token = Secret::new(b"t0ken").unwrap();
    let client = NodeClient::new(Duration::from_secs(1)).with_token(None).with_token(Some(&token));
    assert!(!format!("{client:?}").contains("t0ken"));
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY_END) {
            assert!(connection.read_buf(&mut request).await.unwrap() > 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let (result, sent) = tokio::join!(client.change(&address, &REQUEST), server);
    result.unwrap();
    assert!(sent.contains("authorization: Bearer t0ken\r\n"), "{sent}");
}

#[tokio::test]
async fn an_accepted_change_is_ok() {
    ask("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_the_problem_that_the_node_names() {
    let body = r#"{"status":409,"title":"old term","detail":"a higher one has been seen"}"#;
    let head = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n", body.len());
    let problem = head + body;
    let error = ask(&problem).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused(problem) if problem.status == 409), "{error:?}");
    assert_eq!(error.to_string(), "old term: a higher one has been seen");
}

#[tokio::test]
async fn what_is_no_answer_of_this_interface_is_a_protocol_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let error = ask(answer).await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_unreachable() {
    let error = ask("").await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    assert!(error.to_string().ends_with("did not answer within 200 ms"), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = NodeClient::new(Duration::from_secs(5));
    let error = client.state(&address).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}
