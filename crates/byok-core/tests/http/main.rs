//! The HTTP layer against real local servers that misbehave in every way we could think of.

mod address;
mod body;
mod connection;
mod fault;
mod redirect;
mod retry;
#[path = "../support/server.rs"]
mod server;
mod tls;
mod upload;

use std::time::Duration;

use byok_core::error::{Code, Error};
use byok_core::http::{AddressPolicy, Call, HttpClient, HttpOptions, Timeouts};
use byok_core::provider::Failure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use server::{Server, answer};

/// Stands in every path, query and header; must stand in no error.
const SECRET: &str = "canary-0123456789";

fn client() -> HttpClient {
    HttpClient::new(&HttpOptions::default()).unwrap()
}

/// A POST with the secret in path, query and header, without retries, in generous time.
fn call(url: &str) -> Call<'static> {
    let mut headers = HeaderMap::new();
    let mut key = HeaderValue::from_static(SECRET);
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    Call {
        method: Method::POST,
        url: url::Url::parse(url).unwrap(),
        headers,
        body: Bytes::from_static(b"{}").into(),
        timeouts: Timeouts {
            deadline: Instant::now() + Duration::from_secs(20),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            ..Timeouts::default()
        },
        max_retries: 0,
        addresses: AddressPolicy::Any,
        failure: &failure,
    }
}

fn failure(status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Error {
    let failure = Failure::from_status(status);
    Error::new(failure.code, format!("{} bytes", body.len()))
        .with_status(status.as_u16())
        .with_retryable(failure.retryable)
}

fn path() -> String {
    format!("/{SECRET}?key={SECRET}")
}

/// The error of fetching from a server, after checking that it tells no secret and that the same
/// client's next call works.
async fn error_of(client: &HttpClient, call: Call<'_>) -> Error {
    let Err(error) = client.fetch(call).await else {
        panic!("the call should have failed");
    };
    check(client, error).await
}

async fn check(client: &HttpClient, error: Error) -> Error {
    let told = format!(
        "{error} {error:?} {}",
        serde_json::to_string(&error).unwrap()
    );
    assert!(!told.contains("canary"), "{told}");
    let next = Server::always(answer("200 OK", "fine")).await;
    let (head, body) = client.fetch(call_path(&next)).await.unwrap();
    assert_eq!((head.status, &body[..]), (StatusCode::OK, &b"fine"[..]));
    error
}

fn call_path(server: &Server) -> Call<'static> {
    call(&server.url(&path()))
}

#[track_caller]
fn assert_error(error: &Error, code: Code, words: &str) {
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(words), "{error}");
}
