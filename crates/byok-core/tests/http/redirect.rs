use byok_core::error::Code;
use http::{HeaderName, HeaderValue};

use crate::server::{Server, answer};
use crate::{SECRET, assert_error, call, client};

const CREDENTIAL_HEADERS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "xi-api-key",
];

#[tokio::test]
async fn no_redirect_is_followed_whatever_its_status_its_target_and_the_keys_header() {
    let client = client();
    for status in [301, 302, 303, 307, 308] {
        for (host, other_port) in [
            ("127.0.0.1", false),
            ("127.0.0.1", true),
            ("localhost", false),
            ("localhost", true),
        ] {
            for header in CREDENTIAL_HEADERS {
                let sink = Server::always(answer("200 OK", "stolen")).await;
                let sink_port = sink.address.port();
                let target = if other_port {
                    format!("http://{host}:{sink_port}/?{SECRET}")
                } else if host == "127.0.0.1" {
                    format!("/elsewhere?{SECRET}")
                } else {
                    format!("http://{host}/?{SECRET}")
                };
                let head = format!("{status} Moved\nlocation: {target}");
                let server = Server::always(answer(&head, SECRET)).await;
                let mut call = call(&server.url("/v1"));
                call.max_retries = 2;
                call.headers.clear();
                call.headers.insert(
                    HeaderName::from_static(header),
                    HeaderValue::from_static(SECRET),
                );
                let error = client.fetch(call).await.err().unwrap();
                assert_error(
                    &error,
                    Code::ProviderError,
                    &format!("({status}) to {host}."),
                );
                assert_eq!(error.status(), Some(status));
                assert!(!error.message().contains("canary"), "{error}");
                assert_eq!(
                    server.requests().len(),
                    1,
                    "asked once, and never the target"
                );
                assert_eq!(sink.connections(), 0);
            }
        }
    }
}
