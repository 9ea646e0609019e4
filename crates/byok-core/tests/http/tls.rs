use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use byok_core::error::Code;
use byok_core::http::{HttpClient, HttpOptions};
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{Server, Step};
use crate::{assert_error, call, client, error_of};

const AUTHORITY: &str = include_str!("../fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");

/// An HTTP/2 server with a certificate for `localhost` by an authority of ours. `/hang` never gets
/// its answer, `/half` half a body; everything else "over h2".
struct SecureServer {
    address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Streams that the client took back.
    reset: AtomicUsize,
}

impl SecureServer {
    async fn start() -> SecureServer {
        let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let shared = log.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(acceptor.clone(), stream, shared.clone()));
            }
        });
        SecureServer { address, log }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, log: Arc<Log>) {
    // A client that does not trust us ends the handshake.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        log.requests.fetch_add(1, Ordering::SeqCst);
        let log = log.clone();
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let answer = http::Response::new(());
            match path.as_str() {
                "/hang" => {
                    let _reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                    log.reset.fetch_add(1, Ordering::SeqCst);
                }
                "/half" => {
                    let mut body = respond.send_response(answer, false).unwrap();
                    body.send_data(Bytes::from_static(b"half"), false).unwrap();
                    let _reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await;
                    log.reset.fetch_add(1, Ordering::SeqCst);
                }
                "/cut" => {
                    let mut body = respond.send_response(answer, false).unwrap();
                    body.send_data(Bytes::from_static(b"half"), false).unwrap();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    body.send_reset(h2::Reason::INTERNAL_ERROR);
                }
                "/refuse" => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                _ => {
                    let mut body = respond.send_response(answer, false).unwrap();
                    body.send_data(Bytes::from_static(b"over h2"), true)
                        .unwrap();
                }
            }
        });
    }
}

fn trusting_client() -> HttpClient {
    HttpClient::new(&HttpOptions {
        extra_root_certificates: Some(AUTHORITY.to_owned()),
        ..HttpOptions::default()
    })
    .unwrap()
}

async fn reach(counter: &AtomicUsize, count: usize) {
    let waiting = async {
        while counter.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("the server should have seen it");
}

#[tokio::test]
async fn http_2_is_spoken_over_one_connection_for_all_calls() {
    let server = SecureServer::start().await;
    let client = trusting_client();
    let (head, body) = client.fetch(call(&server.url("/"))).await.unwrap();
    assert_eq!((head.status, &body[..]), (StatusCode::OK, &b"over h2"[..]));
    let calls = (0..20).map(|_| client.fetch(call(&server.url("/"))));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap().1, "over h2");
    }
    assert_eq!(server.log.connections.load(Ordering::SeqCst), 1);
    assert_eq!(server.log.requests.load(Ordering::SeqCst), 21);
}

#[tokio::test]
async fn a_dropped_call_or_response_resets_its_stream_and_spares_the_connection() {
    let server = SecureServer::start().await;
    let client = trusting_client();
    let waiting = client.fetch(call(&server.url("/hang")));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), waiting)
            .await
            .is_err()
    );
    reach(&server.log.reset, 1).await;

    let mut response = client.send(call(&server.url("/half"))).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "half");
    drop(response);
    reach(&server.log.reset, 2).await;

    assert_eq!(
        client.fetch(call(&server.url("/"))).await.unwrap().1,
        "over h2"
    );
    assert_eq!(server.log.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_interrupted_or_unanswered() {
    let server = SecureServer::start().await;
    let client = trusting_client();
    let error = error_of(&client, call(&server.url("/cut"))).await;
    assert_eq!(error.code(), Code::StreamInterrupted, "{error}");
    let error = error_of(&client, call(&server.url("/refuse"))).await;
    assert_eq!(error.code(), Code::ProviderUnavailable, "{error}");
    assert!(error.retryable());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not_accepted_and_not_tried_again() {
    let server = SecureServer::start().await;
    let mut call = call(&server.url("/canary"));
    call.max_retries = 3;
    let error = error_of(&client(), call).await;
    assert_error(
        &error,
        Code::ProviderUnavailable,
        "certificate of localhost:",
    );
    assert_error(&error, Code::ProviderUnavailable, "issuer is not trusted");
    assert!(!error.retryable());
    assert_eq!(server.log.connections.load(Ordering::SeqCst), 1);
    assert_eq!(server.log.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let server = SecureServer::start().await;
    let url = format!("https://{}/", server.address);
    let error = error_of(&trusting_client(), call(&url)).await;
    assert_error(&error, Code::ProviderUnavailable, "it is for another name");
    assert_eq!(server.log.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unavailable() {
    let server = Server::start(|_| vec![Step::Write(b"HTTP/1.1 400 Bad\r\n\r\n".to_vec())]).await;
    let url = server.url("/canary").replace("http:", "https:");
    let error = error_of(&client(), call(&url)).await;
    assert_error(&error, Code::ProviderUnavailable, "TLS handshake");
}
