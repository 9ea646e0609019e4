use std::time::Duration;

use byok_core::error::{Code, Error};
use byok_core::http::{Call, Offer, Part, RequestBody, UploadWriter, upload};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Server, Step, answer};
use crate::{assert_error, call, client, path};

fn call_with(url: &str, body: impl Into<RequestBody>) -> Call<'static> {
    Call {
        body: body.into(),
        ..call(url)
    }
}

/// Accepts one connection, reads until `end` was seen, answers, and gives what it read.
async fn reads_until(listener: TcpListener, end: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "{read:?}");
    }
    stream.write_all(&answer("200 OK", "fine")).await.unwrap();
    String::from_utf8(read).unwrap()
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), path());
    (listener, url)
}

async fn write(writer: UploadWriter, pieces: &[&'static str]) {
    for piece in pieces {
        assert!(writer.write(Bytes::from_static(piece.as_bytes())).await);
    }
    writer.end();
}

#[tokio::test]
async fn an_upload_of_known_length_says_it_ahead() {
    let (listener, url) = listener().await;
    let (writer, upload) = upload(Some(7));
    let body = RequestBody::parts(vec![
        Part::Bytes(Bytes::from_static(b"<<")),
        Part::Upload(upload),
        Part::Bytes(Bytes::from_static(b">>")),
    ]);
    let client = client();
    let (request, answer, ()) = tokio::join!(
        reads_until(listener, ">>"),
        client.fetch(call_with(&url, body)),
        write(writer, &["one", "four"])
    );
    assert_eq!(answer.unwrap().1, "fine");
    assert!(request.contains("\r\ncontent-length: 11\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n<<onefour>>"), "{request}");
}

#[tokio::test]
async fn an_upload_of_unknown_length_is_sent_in_chunks_as_it_is_written() {
    let (listener, url) = listener().await;
    let (writer, upload) = upload(None);
    let client = client();
    let (request, answer, ()) = tokio::join!(
        reads_until(listener, "\r\n0\r\n\r\n"),
        client.fetch(call_with(&url, upload)),
        write(writer, &["one", "four"])
    );
    assert_eq!(answer.unwrap().1, "fine");
    assert!(request.contains("\r\ntransfer-encoding: chunked\r\n"));
    assert!(
        request.ends_with("3\r\none\r\n4\r\nfour\r\n0\r\n\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_server_that_reads_nothing_holds_the_writer_up() {
    let (listener, url) = listener().await;
    let (writer, upload) = upload(None);
    let sending =
        tokio::spawn(async move { client().fetch(call_with(&url, upload)).await.is_ok() });
    let (stream, _) = listener.accept().await.unwrap();

    let mut taken = 0;
    let piece = Bytes::from(vec![b'a'; 64 << 10]);
    while let Ok(true) =
        tokio::time::timeout(Duration::from_millis(500), writer.write(piece.clone())).await
    {
        taken += 1;
        assert!(taken < 1000, "64 MiB should not fit into the sockets");
    }
    assert_eq!(writer.offer(|| unreachable!()), Offer::Full);

    // Leaving ends the wait.
    drop(stream);
    assert!(!sending.await.unwrap());
    assert!(!writer.write(piece).await);
}

#[tokio::test]
async fn an_upload_that_fails_fails_the_request_with_its_own_error() {
    let (listener, url) = listener().await;
    let (writer, upload) = upload(Some(100));
    let client = client();
    let failing = async {
        assert!(writer.write(Bytes::from_static(b"half")).await);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"half") {
            stream.read_buf(&mut read).await.unwrap();
        }
        writer.fail(Error::new(Code::Aborted, "The file was taken away."));
        // The connection ends short of what was announced: no server takes that for the whole.
        stream.read_to_end(&mut read).await.unwrap();
        assert!(read.ends_with(b"half"));
    };
    let (answer, ()) = tokio::join!(client.fetch(call_with(&url, upload)), failing);
    let error = answer.unwrap_err();
    assert_error(&error, Code::Aborted, "The file was taken away.");
}

#[tokio::test]
async fn an_upload_is_not_sent_again_and_bytes_are() {
    let down = || {
        Server::start(|_| {
            vec![
                Step::Read,
                Step::Write(answer("503 Unavailable\nconnection: close", "")),
            ]
        })
    };
    let server = down().await;
    let mut with_bytes = call_with(&server.url(&path()), Bytes::from_static(b"again"));
    with_bytes.max_retries = 1;
    assert!(client().fetch(with_bytes).await.is_err());
    assert_eq!(server.connections(), 2);

    let server = down().await;
    let (writer, upload) = upload(Some(3));
    let mut with_upload = call_with(&server.url(&path()), upload);
    with_upload.max_retries = 5;
    let client = client();
    let (answer, ()) = tokio::join!(client.fetch(with_upload), write(writer, &["one"]));
    assert_eq!(answer.unwrap_err().status(), Some(503));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_upload_is_sent_once_a_connection_is_there_however_often_that_was_tried() {
    let (nobody, url) = listener().await;
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (writer, upload) = upload(None);
    let mut with_upload = call_with(&url, upload);
    with_upload.max_retries = 50;
    let client = client();
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        reads_until(TcpListener::bind(address).await.unwrap(), "\r\n0\r\n\r\n").await
    };
    let (request, answer, ()) =
        tokio::join!(later, client.fetch(with_upload), write(writer, &["late"]));
    let (head, body) = answer.unwrap();
    assert_eq!(body, "fine");
    assert!(head.retries > 0);
    assert!(request.contains("4\r\nlate\r\n"));
}
