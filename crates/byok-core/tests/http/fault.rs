use std::time::Duration;

use byok_core::error::Code;
use tokio::time::Instant;

use crate::server::{Server, Step, answer, open_answer};
use crate::{assert_error, call, call_path, check, client, error_of};

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = error_of(&client(), call(&format!("http://{address}/canary"))).await;
    assert_error(
        &error,
        Code::ProviderUnavailable,
        "the connection was refused",
    );
    assert!(error.message().contains(&address.to_string()));
    assert!(error.retryable());
}

#[tokio::test]
async fn a_name_that_nobody_has_is_unavailable() {
    let error = error_of(&client(), call("http://nobody.invalid/canary")).await;
    assert_error(
        &error,
        Code::ProviderUnavailable,
        "nobody.invalid could not be found",
    );
}

#[tokio::test]
async fn a_connection_reset_or_closed_before_the_answer_is_unavailable() {
    let reset: fn(usize) -> Vec<Step> = |_| vec![Step::Read, Step::Reset];
    let reset_at_once: fn(usize) -> Vec<Step> = |_| vec![Step::Reset];
    let closed: fn(usize) -> Vec<Step> = |_| vec![Step::Read];
    let half_a_head: fn(usize) -> Vec<Step> = |_| {
        vec![
            Step::Read,
            Step::Write(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()),
        ]
    };
    for script in [reset, reset_at_once, closed, half_a_head] {
        let server = Server::start(script).await;
        let error = error_of(&client(), call_path(&server)).await;
        assert_eq!(error.code(), Code::ProviderUnavailable, "{error}");
        assert!(error.retryable());
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_response() {
    let server =
        Server::start(|_| vec![Step::Read, Step::Write(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())]).await;
    let error = error_of(&client(), call_path(&server)).await;
    assert_error(&error, Code::BadResponse, "not HTTP");
    assert!(!error.retryable());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_interrupted_stream_and_never_a_short_answer() {
    let announced = || Step::Write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec());
    let chunked = || {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        Step::Write(head.into())
    };
    for (name, server) in [
        (
            "short",
            Server::start(move |_| vec![Step::Read, announced()]).await,
        ),
        (
            "no last chunk",
            Server::start(move |_| vec![Step::Read, chunked()]).await,
        ),
        (
            "reset",
            Server::start(move |_| {
                vec![
                    Step::Read,
                    chunked(),
                    Step::Pause(Duration::from_millis(50)),
                    Step::Reset,
                ]
            })
            .await,
        ),
        (
            "reset with a length",
            Server::start(move |_| {
                vec![
                    Step::Read,
                    announced(),
                    Step::Pause(Duration::from_millis(50)),
                    Step::Reset,
                ]
            })
            .await,
        ),
    ] {
        let client = client();
        let mut response = client.send(call_path(&server)).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "half", "{name}");
        let error = check(&client, response.chunk().await.unwrap_err()).await;
        assert_error(&error, Code::StreamInterrupted, "broke in the middle");
        let again = response.chunk().await.unwrap_err();
        assert_eq!(
            again.code(),
            Code::StreamInterrupted,
            "a failed body never looks ended"
        );
        let error = error_of(&client, call_path(&server)).await;
        assert_eq!(error.code(), Code::StreamInterrupted, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_ends_with_the_deadline() {
    let server = Server::start(|_| vec![Step::Read, Step::Hold]).await;
    let mut call = call_path(&server);
    call.timeouts.deadline = Instant::now() + Duration::from_secs(1);
    call.max_retries = 5;
    let error = error_of(&client(), call).await;
    assert_error(&error, Code::Timeout, "timeoutMs");
    server.left_by(1).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn silence_in_the_middle_of_a_body_ends_with_the_idle_timeout() {
    let server = Server::start(|_| {
        let mut bytes = open_answer();
        bytes.extend_from_slice(b"begun");
        vec![Step::Read, Step::Write(bytes), Step::Hold]
    })
    .await;
    let client = client();
    let mut call = call_path(&server);
    call.timeouts.idle = Duration::from_millis(120);
    let mut response = client.send(call).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "begun");
    let error = check(&client, response.chunk().await.unwrap_err()).await;
    assert_error(&error, Code::Timeout, "idleTimeoutMs (120)");
    server.left_by(1).await;
}

#[tokio::test]
async fn a_body_that_trickles_on_ends_with_the_deadline() {
    let server = Server::start(|_| {
        let mut script = vec![Step::Read, Step::Write(open_answer())];
        for _ in 0..500 {
            script.push(Step::Write(b"x".to_vec()));
            script.push(Step::Pause(Duration::from_millis(20)));
        }
        script
    })
    .await;
    let mut call = call_path(&server);
    call.timeouts.deadline = Instant::now() + Duration::from_millis(400);
    let error = error_of(&client(), call).await;
    assert_error(&error, Code::Timeout, "timeoutMs");
}

#[tokio::test]
async fn a_slow_reader_is_no_silence_of_the_server() {
    let server = Server::always(answer("200 OK", "body")).await;
    let mut call = call_path(&server);
    call.timeouts.idle = Duration::from_millis(80);
    let mut response = client().send(call).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "body");
}

#[tokio::test]
async fn a_connection_that_is_never_ready_ends_with_the_connect_timeout() {
    // The TCP connection is accepted, the TLS handshake never answered.
    let server = Server::start(|_| vec![Step::Hold]).await;
    let mut call = call(&server.url("/canary").replace("http:", "https:"));
    call.timeouts.connect = Duration::from_millis(130);
    let error = error_of(&client(), call).await;
    assert_error(&error, Code::Timeout, "connectTimeoutMs (130)");
    server.left_by(1).await;
}

#[tokio::test]
async fn the_connect_timeout_is_each_calls_own() {
    let server = Server::start(|_| vec![Step::Hold]).await;
    let client = client();
    let url = server.url("/").replace("http:", "https:");
    let attempt = |connect_ms| {
        let mut call = call(&url);
        call.timeouts.connect = Duration::from_millis(connect_ms);
        client.fetch(call)
    };
    let (first, second) = tokio::join!(attempt(300), attempt(100));
    assert_error(&first.unwrap_err(), Code::Timeout, "connectTimeoutMs (300)");
    assert_error(
        &second.unwrap_err(),
        Code::Timeout,
        "connectTimeoutMs (100)",
    );
}
