use std::process::Command;

use byok_core::error::Code;
use byok_core::http::{AddressPolicy, Call, HttpClient, HttpOptions};

use crate::server::{Server, answer};
use crate::{assert_error, call, client};

fn public_call(url: &str) -> Call<'static> {
    let mut call = call(url);
    call.addresses = AddressPolicy::Public;
    call.max_retries = 2;
    call
}

#[tokio::test]
async fn an_origin_in_the_own_network_is_refused_without_a_connection() {
    let server = Server::always(answer("200 OK", "internal")).await;
    let port = server.address.port();
    let client = client();
    for host in [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let call = public_call(&format!("http://{host}:{port}/canary"));
        let error = client.fetch(call).await.err().unwrap();
        assert_error(&error, Code::InvalidArgument, "is not a public address");
        assert!(!error.message().contains("canary"));
        assert!(!error.retryable());
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_connection_made_for_a_trusted_origin_is_not_lent_to_a_users_one() {
    let server = Server::always(answer("200 OK", "internal")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    let client = client();
    client.fetch(call(&url)).await.unwrap();
    let error = client.fetch(public_call(&url)).await.err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(server.requests().len(), 1);
    client.fetch(call(&url)).await.unwrap();
}

#[tokio::test]
async fn a_name_that_nobody_has_is_not_called_private() {
    let mut call = public_call("https://nobody.invalid/");
    call.max_retries = 0;
    let error = client().fetch(call).await.err().unwrap();
    assert_error(&error, Code::ProviderUnavailable, "could not be found");
}

#[tokio::test]
async fn a_proxy_is_used_when_it_was_asked_for_and_private_targets_are_refused_before_it() {
    let proxy = Server::always(answer("200 OK", "by proxy")).await;
    let client = HttpClient::new(&HttpOptions {
        proxy: Some(proxy.url("")),
        ..HttpOptions::default()
    })
    .unwrap();
    let (_, body) = client.fetch(call("http://api.invalid/v1")).await.unwrap();
    assert_eq!(body, "by proxy");
    assert!(proxy.requests()[0].starts_with("POST http://api.invalid/v1 "));
    for host in ["localhost", "127.0.0.1"] {
        let call = public_call(&format!("http://{host}/"));
        let error = client.fetch(call).await.err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
    assert_eq!(proxy.requests().len(), 1);
    let (_, body) = client
        .fetch(public_call("http://api.invalid/v1"))
        .await
        .unwrap();
    assert_eq!(body, "by proxy", "the proxy may know names that we don't");
}

#[tokio::test]
async fn options_that_can_not_be_used_are_refused() {
    let refused = |options: HttpOptions| HttpClient::new(&options).err().unwrap().code();
    let user_agent = HttpOptions {
        user_agent: "a\r\nb".to_owned(),
        ..HttpOptions::default()
    };
    assert_eq!(refused(user_agent), Code::InvalidArgument);
    let proxy = HttpOptions {
        proxy: Some("http://".to_owned()),
        ..HttpOptions::default()
    };
    assert_eq!(refused(proxy), Code::InvalidArgument);
}

const CHILD: &str = "BYOK_TEST_TARGET";

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    if let Ok(target) = std::env::var(CHILD) {
        client().fetch(call(&target)).await.unwrap();
        return;
    }
    let server = Server::always(answer("200 OK", "direct")).await;
    let sink = Server::always(answer("200 OK", "by proxy")).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "address::a_proxy_in_the_environment_is_not_used"])
        .env(CHILD, server.url("/"));
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        child.env(name, sink.url(""));
    }
    let status = tokio::task::spawn_blocking(move || child.output().unwrap())
        .await
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stdout)
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(sink.connections(), 0);
}
