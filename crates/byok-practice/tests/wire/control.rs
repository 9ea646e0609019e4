//! The control endpoints, replays, the benchmark, and the life of the process.

use std::time::Duration;

use crate::support::{Answer, End, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

fn register(server: &Server, replay: &Value) -> Answer {
    server
        .send("POST", "/control/replay", &[], &replay.to_string())
        .answer()
}

#[test]
fn the_ready_line_says_where_and_with_which_keys() {
    let server = Server::start();
    assert_eq!(
        server.ready["origin"],
        format!("http://127.0.0.1:{}", server.port())
    );
    assert_eq!(
        server.key("openaiKey"),
        "sk-practice-openai-0123456789abcdef"
    );
    assert_eq!(
        server.key("anthropicKey"),
        "sk-ant-practice-0123456789abcdef"
    );
    assert_eq!(server.key("geminiKey"), "AQ.practice-0123456789abcdef");
}

#[test]
fn the_process_ends_when_its_stdin_closes() {
    assert_eq!(Server::start().exit_code_after_stdin_closes(), Some(0));
}

#[test]
fn requests_are_recorded_until_they_are_cleared() {
    let server = Server::start();
    server
        .send(
            "POST",
            "/openai/v1/responses?a=1",
            &[("x-mine", "b")],
            "{\"c\":1}",
        )
        .answer();
    let requests = server.get("/control/requests?clear=1").json()["requests"].clone();
    assert_eq!(requests.as_array().unwrap().len(), 1);
    let request = &requests[0];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["path"], "/openai/v1/responses?a=1");
    assert_eq!(request["headers"]["x-mine"], "b");
    assert_eq!(request["body"], STANDARD.encode("{\"c\":1}"));
    assert!(request["endedAtMs"].as_f64().unwrap() >= request["atMs"].as_f64().unwrap());
    assert_eq!(request["peerClosedAtMs"], Value::Null);
    assert_eq!(
        server.get("/control/requests").json()["requests"],
        json!([])
    );
}

#[test]
fn a_peer_that_leaves_in_mid_stream_is_noted() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.key("openaiKey"));
    let body = json!({ "model": "m", "input": "Hello", "stream": true }).to_string();
    let path = "/fault/slow,10,20/openai/v1/responses";
    let exchange = server.send("POST", path, &[("authorization", &bearer)], &body);
    std::thread::sleep(Duration::from_millis(60));
    drop(exchange);
    for _ in 0..200 {
        let request = server.get("/control/requests").json()["requests"][0].clone();
        if request["peerClosedAtMs"].is_number() {
            assert_eq!(request["endedAtMs"], Value::Null);
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the server did not notice");
}

#[test]
fn nothing_is_recorded_when_that_is_turned_off() {
    let server = Server::with(&["--no-record"]);
    server.get("/openai/v1/models");
    let answer = server.get("/control/requests").json();
    assert_eq!(
        (&answer["recording"], &answer["requests"]),
        (&json!(false), &json!([]))
    );
}

#[test]
fn a_replay_gives_its_chunks_to_every_request() {
    let server = Server::start();
    let chunks = [STANDARD.encode("one "), STANDARD.encode("two")];
    let answer = register(
        &server,
        &json!({ "id": "a", "status": 418, "chunks": chunks,
        "headers": { "content-type": "text/plain", "content-length": "999", "x-many": ["1", "2"] } }),
    );
    assert_eq!(answer.json()["path"], "/replay/a");
    for method in ["GET", "POST"] {
        let answer = server
            .send(method, "/replay/a/openai/v1/responses", &[], "")
            .answer();
        assert_eq!((answer.status, answer.end), (418, End::Whole));
        assert_eq!(answer.chunks, [b"one ".to_vec(), b"two".to_vec()]);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(
            answer
                .headers
                .iter()
                .filter(|(name, _)| name == "x-many")
                .count(),
            2
        );
    }
    assert_eq!(server.get("/replay/unknown/x").status, 404);
    assert_eq!(server.get("/fault/chunk,2/replay/a/x").chunks[0], b"on");
}

#[test]
fn a_replay_can_be_cut_at_any_byte() {
    let server = Server::start();
    let chunks = [STANDARD.encode("one "), STANDARD.encode("two")];
    for cut in 0..=7 {
        register(
            &server,
            &json!({ "id": "c", "chunks": chunks, "cut": cut, "delayMs": 1 }),
        );
        let answer = server.get("/replay/c/x");
        assert_eq!(answer.end, End::Closed);
        assert_eq!(answer.text(), &"one two"[..cut]);
    }
    register(
        &server,
        &json!({ "id": "c", "chunks": chunks, "cut": 3, "cutWith": "end" }),
    );
    let answer = server.get("/replay/c/x");
    assert_eq!((answer.text().as_str(), answer.end), ("one", End::Whole));
}

#[test]
fn a_wrong_registration_says_what_is_wrong() {
    let server = Server::start();
    for wrong in [
        json!({}),
        json!({ "id": "a/b" }),
        json!({ "id": "a", "chunks": ["?"] }),
        json!({ "id": "a", "chnks": [] }),
        json!({ "id": "a", "status": 9 }),
    ] {
        let answer = register(&server, &wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn open_connections_are_counted() {
    let server = Server::start();
    let idle = server.send("GET", "/", &[], "");
    let answer = server.get("/control/connections").json();
    assert_eq!(answer["open"], 2);
    drop(idle);
    for _ in 0..200 {
        if server.get("/control/connections").json()["open"] == 1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the closed connection is still counted");
}

#[test]
fn the_benchmark_takes_any_key_and_is_not_recorded() {
    let server = Server::start();
    let path = "/bench-9-each/openai/v1/chat/completions";
    let answer = server.send("POST", path, &[], "{\"stream\":true}").answer();
    let words = answer.events().into_iter().filter(|event| {
        event["choices"][0]["delta"]["content"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    });
    assert_eq!(words.count(), 9);
    let whole = server
        .send("POST", "/bench/openai/v1/responses", &[], "{}")
        .answer();
    assert_eq!(whole.json()["status"], "completed");
    assert_eq!(
        server.get("/control/requests").json()["requests"],
        json!([])
    );
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let server = Server::start();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let body = json!({ "model": "m", "input": "Capital of France?", "stream": true });
    let request = |path: &str| {
        http::Request::post(format!("http://127.0.0.1:{}{path}", server.port()))
            .header(
                "authorization",
                format!("Bearer {}", server.key("openaiKey")),
            )
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap()
    };
    let response = sender
        .send_request(request("/openai/v1/responses"))
        .await
        .unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        text.windows(18)
            .any(|window| window == b"response.completed")
    );

    let stalled = sender.send_request(request("/fault/stall/openai/v1/responses"));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), stalled)
            .await
            .is_err()
    );
    for attempt in 0.. {
        let stalled = server.get("/control/connections").json()["stalled"][0].clone();
        if stalled["peerClosed"] == true {
            break;
        }
        assert!(
            attempt < 200,
            "the cancelled stream is not noticed: {stalled}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let response = sender
        .send_request(request("/fault/reset-mid/openai/v1/responses"))
        .await;
    assert!(response.unwrap().into_body().collect().await.is_err());
    assert!(driver.await.unwrap().is_err());
}
