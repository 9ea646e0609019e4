use std::time::{Duration, Instant, SystemTime};

use byok_core::error::{Code, Error};
use http::{HeaderMap, StatusCode};

use crate::server::{Server, Step, answer};
use crate::{call_path, client, error_of};

/// Fails `failures` times with `head`, then answers "done".
async fn failing(failures: usize, head: &str) -> Server {
    let head = head.to_owned();
    Server::start(move |number| {
        let bytes = if number < failures {
            answer(&format!("{head}\nconnection: close"), "{}")
        } else {
            answer("200 OK", "done")
        };
        vec![Step::Read, Step::Write(bytes)]
    })
    .await
}

/// How often the request was sent again and how long all of it took.
async fn retries(server: &Server, max_retries: u32) -> (u32, Duration) {
    let mut call = call_path(server);
    call.max_retries = max_retries;
    let start = Instant::now();
    let (head, body) = client().fetch(call).await.unwrap();
    assert_eq!(body, "done");
    assert_eq!(server.requests().len(), head.retries as usize + 1);
    (head.retries, start.elapsed())
}

async fn error_after(server: &Server, max_retries: u32) -> Error {
    let mut call = call_path(server);
    call.max_retries = max_retries;
    error_of(&client(), call).await
}

#[tokio::test]
async fn passing_failures_are_retried() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529] {
        let server = failing(1, &format!("{status} Failed\nretry-after-ms: 1")).await;
        assert_eq!(retries(&server, 2).await.0, 1, "{status}");
    }
}

#[tokio::test]
async fn lasting_failures_are_not_retried() {
    for status in [400, 401, 402, 403, 404, 413, 422] {
        let server = failing(1, &format!("{status} Failed\nretry-after-ms: 1")).await;
        let error = error_after(&server, 2).await;
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn the_last_error_is_returned_when_the_retries_are_used_up() {
    let server = failing(9, "503 Unavailable\nretry-after-ms: 7").await;
    let error = error_after(&server, 2).await;
    assert_eq!(server.requests().len(), 3);
    assert_eq!(error.code(), Code::ProviderUnavailable);
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.retry_after_ms(), Some(7));
    assert!(error.retryable());
    let server = failing(9, "503 Unavailable\nretry-after-ms: 7").await;
    error_after(&server, 0).await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn every_form_of_retry_after_is_waited_for() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for (header, at_least_ms) in [
        // First, since it runs out meanwhile; whole seconds, so up to one of the two is gone already.
        (format!("retry-after: {date}"), 700),
        ("retry-after-ms: 700".to_owned(), 700),
        ("retry-after: 1".to_owned(), 1000),
        ("retry-after: 0.6".to_owned(), 600),
        ("retry-after: 50\nretry-after-ms: 600".to_owned(), 600),
    ] {
        let server = failing(1, &format!("429 Too Many Requests\n{header}")).await;
        let (count, took) = retries(&server, 1).await;
        assert_eq!(count, 1);
        assert!(
            took >= Duration::from_millis(at_least_ms),
            "{header}: {took:?}"
        );
    }
}

#[tokio::test]
async fn a_wait_that_only_the_body_asks_for_is_waited_for() {
    fn retry_info(_: StatusCode, _: &HeaderMap, _: &[u8]) -> Error {
        Error::new(Code::ProviderRateLimited, "").with_retry_after_ms(Some(650))
    }
    let server = failing(1, "429 Too Many Requests").await;
    let mut call = call_path(&server);
    call.max_retries = 1;
    call.failure = &retry_info;
    let start = Instant::now();
    assert_eq!(client().fetch(call).await.unwrap().0.retries, 1);
    assert!(start.elapsed() >= Duration::from_millis(650));
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_handed_to_the_caller_at_once() {
    let server = failing(1, "429 Too Many Requests\nretry-after: 61").await;
    let error = error_after(&server, 2).await;
    assert_eq!(error.retry_after_ms(), Some(61_000));
    assert_eq!(server.requests().len(), 1);

    let server = failing(1, "429 Too Many Requests\nretry-after: 30").await;
    let error = error_after(&server, 2).await; // past the deadline of 20 s
    assert_eq!(error.retry_after_ms(), Some(30_000));
    assert_eq!(error.code(), Code::ProviderRateLimited);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_error_that_time_does_not_heal_is_not_retried_whatever_its_status() {
    fn insufficient_quota(_: StatusCode, _: &HeaderMap, _: &[u8]) -> Error {
        Error::new(Code::QuotaExceeded, "no credit")
    }
    let server = failing(
        1,
        "429 Too Many Requests\nretry-after-ms: 1\nx-should-retry: true",
    )
    .await;
    let mut call = call_path(&server);
    call.max_retries = 2;
    call.failure = &insufficient_quota;
    let error = error_of(&client(), call).await;
    assert_eq!(error.code(), Code::QuotaExceeded);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_server_may_forbid_or_ask_for_a_retry() {
    let server = failing(1, "503 Unavailable\nx-should-retry: false").await;
    assert!(!error_after(&server, 2).await.retryable());
    assert_eq!(server.requests().len(), 1);
    let server = failing(
        1,
        "400 Bad Request\nx-should-retry: true\nretry-after-ms: 1",
    )
    .await;
    assert_eq!(retries(&server, 2).await.0, 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_sent_again() {
    let server = Server::start(|number| match number {
        0 => vec![Step::Reset],
        1 => vec![Step::Read, Step::Reset],
        2 => vec![Step::Read],
        _ => vec![Step::Read, Step::Write(answer("200 OK", "done"))],
    })
    .await;
    let mut call = call_path(&server);
    call.max_retries = 3;
    let (head, body) = client().fetch(call).await.unwrap();
    assert_eq!((head.retries, &body[..]), (3, &b"done"[..]));
    let sent = server.requests();
    assert_eq!(
        sent.first(),
        sent.last(),
        "the same request, its headers included"
    );
}

#[tokio::test]
async fn a_refused_connection_is_retried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut call = crate::call(&format!("http://{address}/"));
    call.max_retries = 1;
    let start = Instant::now();
    let error = client().fetch(call).await.err().unwrap();
    assert_eq!(error.code(), Code::ProviderUnavailable);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "one pause of at most half a second"
    );
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_fetched_again_but_a_stream_is_not() {
    let script = |number| {
        if number == 0 {
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
            vec![Step::Read, Step::Write(half.into())]
        } else {
            vec![Step::Read, Step::Write(answer("200 OK", "done"))]
        }
    };
    let server = Server::start(script).await;
    assert_eq!(retries(&server, 2).await.0, 1);

    let server = Server::start(script).await;
    let mut call = call_path(&server);
    call.max_retries = 2;
    let response = client().send(call).await.unwrap();
    assert_eq!(response.retries, 0);
    let error = response.bytes().await.unwrap_err();
    assert_eq!(error.code(), Code::StreamInterrupted);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_storm_of_rate_limits_ends_within_its_retries() {
    let server = failing(1000, "429 Too Many Requests\nretry-after-ms: 1").await;
    let client = client();
    let calls = (0..20).map(|_| {
        let mut call = call_path(&server);
        call.max_retries = 3;
        client.fetch(call)
    });
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.err().unwrap().code(), Code::ProviderRateLimited);
    }
    assert_eq!(server.requests().len(), 20 * 4);
}
