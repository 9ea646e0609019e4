use std::io::Write;
use std::time::Duration;

use byok_core::error::{Code, Error};
use byok_core::http::{HttpClient, HttpOptions};
use http::{HeaderMap, StatusCode};

use crate::server::{Server, Step, answer, open_answer};
use crate::{assert_error, call_path, check, client, error_of};

const MIB: usize = 1 << 20;

fn client_with_limit(max_response_bytes: usize) -> HttpClient {
    HttpClient::new(&HttpOptions {
        max_response_bytes,
        ..HttpOptions::default()
    })
    .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 20);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    encoded
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn encodings(text: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [
        ("gzip", gzip(text)),
        ("br", brotli(text)),
        ("zstd", zstd(text)),
    ]
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_the_same_answer() {
    let server = Server::start(|_| {
        vec![
            Step::Read,
            Step::Drip(answer("200 OK\nx-request-id: 7", "every byte counts")),
        ]
    })
    .await;
    let (head, body) = client().fetch(call_path(&server)).await.unwrap();
    assert_eq!(head.headers["x-request-id"], "7");
    assert_eq!(body, "every byte counts");
}

#[tokio::test]
async fn compressed_answers_are_asked_for_and_read() {
    let text = "a body, compressed ".repeat(5000);
    for (name, bytes) in encodings(text.as_bytes()) {
        let head = format!("200 OK\ncontent-encoding: {name}");
        let server = Server::always(answer(&head, bytes)).await;
        let (_, body) = client().fetch(call_path(&server)).await.unwrap();
        assert_eq!(body, text, "{name}");
        let request = server.requests().remove(0);
        let accepted = request
            .lines()
            .find_map(|line| line.strip_prefix("accept-encoding: "))
            .unwrap();
        assert!(accepted.contains(name), "{accepted}");
    }
}

#[tokio::test]
async fn a_compressed_stream_hands_on_every_part_as_soon_as_it_is_flushed() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"first").unwrap();
    encoder.flush().unwrap();
    let first = std::mem::take(encoder.get_mut());
    encoder.write_all(b"second").unwrap();
    let rest = encoder.finish().unwrap();
    let server = Server::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n\r\n";
        vec![
            Step::Read,
            Step::Write(head.into()),
            Step::Write(first.clone()),
            Step::Pause(Duration::from_millis(300)),
            Step::Write(rest.clone()),
        ]
    })
    .await;
    let mut call = call_path(&server);
    call.timeouts.idle = Duration::from_secs(5);
    let mut response = client().send(call).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    assert!(response.chunk().await.unwrap().is_none());
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn what_can_not_be_decompressed_is_a_bad_response() {
    let text = "hello hello hello".repeat(100);
    for (name, bytes) in encodings(text.as_bytes()) {
        let head = format!("200 OK\ncontent-encoding: {name}");
        let mut spoilt = bytes.clone();
        spoilt[..4].copy_from_slice(b"junk");
        for body in [b"plain text, not compressed".to_vec(), spoilt] {
            let server = Server::always(answer(&head, body)).await;
            let error = error_of(&client(), call_path(&server)).await;
            assert_error(&error, Code::BadResponse, "compressed");
        }
    }
    for encoding in ["compress", "deflate", "gzip, gzip", "canary"] {
        let head = format!("200 OK\ncontent-encoding: {encoding}");
        let server = Server::always(answer(&head, "x")).await;
        let error = error_of(&client(), call_path(&server)).await;
        assert_error(&error, Code::BadResponse, "encoding");
    }
}

#[tokio::test]
async fn a_compressed_body_that_misses_its_end_is_interrupted() {
    let text = "cut off ".repeat(2000);
    for (name, bytes) in encodings(text.as_bytes()) {
        let head = format!("200 OK\ncontent-encoding: {name}");
        let half = bytes[..bytes.len() / 2].to_vec();
        let server = Server::always(answer(&head, half)).await;
        let error = error_of(&client(), call_path(&server)).await;
        assert_eq!(error.code(), Code::StreamInterrupted, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_before_or_soon_after_the_limit() {
    let announced = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n";
        vec![Step::Read, Step::Write(head.into()), Step::Flood(100 * MIB)]
    })
    .await;
    let endless = Server::start(|_| {
        vec![
            Step::Read,
            Step::Write(open_answer()),
            Step::Flood(100 * MIB),
        ]
    })
    .await;
    let client = client_with_limit(MIB);
    for server in [announced, endless] {
        let error = error_of(&client, call_path(&server)).await;
        assert_error(&error, Code::BadResponse, "maxResponseBytes (1048576)");
        // The rest is what the kernel's socket buffers hold.
        assert!(server.flooded() < 20 * MIB, "{}", server.flooded());
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let client = client_with_limit(1000);
    let server = Server::always(answer("200 OK", [b'a'; 1000])).await;
    let (_, body) = client.fetch(call_path(&server)).await.unwrap();
    assert_eq!(body.len(), 1000);
    let server =
        Server::start(|_| vec![Step::Read, Step::Write(open_answer()), Step::Flood(1001)]).await;
    let error = error_of(&client, call_path(&server)).await;
    assert_error(&error, Code::BadResponse, "maxResponseBytes (1000)");
}

#[tokio::test]
async fn a_decompression_bomb_goes_off_within_the_limit() {
    let zeros = vec![0; 64 * MIB];
    for (name, bomb) in encodings(&zeros) {
        assert!(bomb.len() < MIB / 4);
        let head = format!("200 OK\ncontent-encoding: {name}");
        let server = Server::always(answer(&head, bomb)).await;
        let client = client_with_limit(MIB);
        let mut response = client.send(call_path(&server)).await.unwrap();
        let mut read = 0;
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    assert!(chunk.len() <= MIB / 4, "a piece of {} bytes", chunk.len());
                    read += chunk.len();
                }
                Ok(None) => panic!("{name}: read to its end"),
                Err(error) => break error,
            }
        };
        let error = check(&client, error).await;
        assert_error(&error, Code::BadResponse, "maxResponseBytes");
        assert!(read <= MIB, "{read}");
    }
}

#[tokio::test]
async fn a_failed_answer_is_read_up_to_a_mebibyte_and_though_it_breaks_off() {
    let flood = Server::start(|_| {
        let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
        vec![Step::Read, Step::Write(head.into()), Step::Flood(50 * MIB)]
    })
    .await;
    let error = error_of(&client(), call_path(&flood)).await;
    assert_error(&error, Code::ProviderError, "1048576 bytes");
    assert!(flood.flooded() < 20 * MIB);

    let broken = Server::start(|_| {
        let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 99\r\n\r\nhalf";
        vec![Step::Read, Step::Write(answer.into())]
    })
    .await;
    let error = error_of(&client(), call_path(&broken)).await;
    assert_error(&error, Code::KeyInvalid, "4 bytes");

    let exact = Server::always(answer("400 Bad Request", vec![b'a'; MIB])).await;
    let error = error_of(&client(), call_path(&exact)).await;
    assert_error(&error, Code::ProviderError, "1048576 bytes");
}

#[tokio::test]
async fn a_failed_answer_is_decompressed_for_its_error() {
    fn echo(_: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        assert_eq!(headers["x-request-id"], "r1");
        Error::new(
            Code::PermissionDenied,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }
    let head = "403 Forbidden\nx-request-id: r1\ncontent-encoding: gzip";
    let server = Server::always(answer(head, gzip(b"not for you"))).await;
    let mut call = call_path(&server);
    call.failure = &echo;
    let error = error_of(&client(), call).await;
    assert_error(&error, Code::PermissionDenied, "not for you");
}

#[tokio::test]
async fn an_answer_without_content_is_an_empty_body() {
    let server = Server::always(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let (head, body) = client().fetch(call_path(&server)).await.unwrap();
    assert_eq!((head.status.as_u16(), body.len()), (204, 0));
    let server = Server::always(answer("200 OK", "")).await;
    let response = client().send(call_path(&server)).await.unwrap();
    assert_eq!(response.bytes().await.unwrap().len(), 0);
}
