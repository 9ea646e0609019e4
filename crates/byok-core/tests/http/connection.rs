use std::time::Duration;

use byok_core::error::Code;
use byok_core::http::{HttpClient, HttpOptions};

use crate::server::{Server, Step, answer, open_answer};
use crate::{call_path, client};

fn keep_alive(requests: usize) -> Vec<Step> {
    let mut script: Vec<Step> = (0..requests)
        .flat_map(|_| [Step::Read, Step::Write(answer("200 OK", "done"))])
        .collect();
    script.push(Step::Hold);
    script
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let server = Server::start(|_| keep_alive(10)).await;
    let client = client();
    for _ in 0..5 {
        client.fetch(call_path(&server)).await.unwrap();
        let response = client.send(call_path(&server)).await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), "done");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_time() {
    let server = Server::start(|_| keep_alive(1)).await;
    let client = HttpClient::new(&HttpOptions {
        pool_idle_timeout: Duration::from_millis(400),
        ..HttpOptions::default()
    })
    .unwrap();
    client.fetch(call_path(&server)).await.unwrap();
    server.left_by(1).await;
    client.fetch(call_path(&server)).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn dropping_the_client_closes_its_connections() {
    let server = Server::start(|_| keep_alive(1)).await;
    let client = client();
    client.fetch(call_path(&server)).await.unwrap();
    drop(client);
    server.left_by(1).await;
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_is_replaced_without_a_retry() {
    let server = Server::start(|_| vec![Step::Read, Step::Write(answer("200 OK", "done"))]).await;
    let client = client();
    for _ in 0..3 {
        let (head, _) = client.fetch(call_path(&server)).await.unwrap();
        assert_eq!(head.retries, 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_pooled_connection_that_dies_under_the_next_request_counts_as_a_connection_error() {
    let script = |number| match number {
        0 => vec![
            Step::Read,
            Step::Write(answer("200 OK", "done")),
            Step::Read,
            Step::Reset,
        ],
        _ => keep_alive(1),
    };
    let server = Server::start(script).await;
    let client = client();
    client.fetch(call_path(&server)).await.unwrap();
    let mut call = call_path(&server);
    call.max_retries = 1;
    let (head, body) = client.fetch(call).await.unwrap();
    assert_eq!((head.retries, &body[..]), (1, &b"done"[..]));
    assert_eq!(server.connections(), 2);

    let server = Server::start(script).await;
    client.fetch(call_path(&server)).await.unwrap();
    let error = client.fetch(call_path(&server)).await.err().unwrap();
    assert_eq!(error.code(), Code::ProviderUnavailable);
}

#[tokio::test]
async fn dropping_a_call_that_waits_for_its_answer_closes_the_socket() {
    let server = Server::start(|_| vec![Step::Read, Step::Hold]).await;
    let client = client();
    let mut call = call_path(&server);
    call.max_retries = 5;
    let waiting = client.fetch(call);
    assert!(
        tokio::time::timeout(Duration::from_millis(150), waiting)
            .await
            .is_err()
    );
    server.left_by(1).await;
    assert_eq!(server.connections(), 1);
    let next = Server::start(|_| keep_alive(1)).await;
    client.fetch(call_path(&next)).await.unwrap();
}

#[tokio::test]
async fn dropping_a_call_that_still_connects_closes_the_socket() {
    let server = Server::start(|_| vec![Step::Hold]).await;
    let client = client();
    let waiting = client.fetch(crate::call(&server.url("/").replace("http:", "https:")));
    assert!(
        tokio::time::timeout(Duration::from_millis(150), waiting)
            .await
            .is_err()
    );
    server.left_by(1).await;
}

#[tokio::test]
async fn dropping_a_response_in_the_middle_of_its_stream_closes_the_socket() {
    let server = Server::start(|_| {
        let mut bytes = open_answer();
        bytes.extend_from_slice(b"data: 1\n\n");
        vec![Step::Read, Step::Write(bytes), Step::Hold]
    })
    .await;
    let client = client();
    let mut response = client.send(call_path(&server)).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    drop(response);
    server.left_by(1).await;
}

#[tokio::test]
async fn a_wait_for_a_chunk_may_be_dropped_and_begun_again() {
    let server = Server::start(|_| {
        vec![
            Step::Read,
            Step::Write(open_answer()),
            Step::Pause(Duration::from_millis(250)),
            Step::Write(b"late".to_vec()),
        ]
    })
    .await;
    let mut response = client().send(call_path(&server)).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), response.chunk());
    assert!(waiting.await.is_err());
    assert_eq!(response.chunk().await.unwrap().unwrap(), "late");
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_the_server_back() {
    let server = Server::start(|_| {
        vec![
            Step::Read,
            Step::Write(open_answer()),
            Step::Flood(50 << 20),
        ]
    })
    .await;
    let response = client().send(call_path(&server)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.flooded() < 20 << 20, "{}", server.flooded());
    assert_eq!(response.bytes().await.unwrap().len(), 50 << 20);
}

#[tokio::test]
async fn our_name_and_the_body_are_sent_and_no_cookie_or_referer() {
    let server = Server::start(|_| keep_alive(1)).await;
    client().fetch(call_path(&server)).await.unwrap();
    let request = server.requests().remove(0).to_ascii_lowercase();
    assert!(request.contains("user-agent: byok-ai/"), "{request}");
    assert!(request.contains("content-length: 2\r\n"));
    assert!(!request.contains("cookie") && !request.contains("referer"));
}
