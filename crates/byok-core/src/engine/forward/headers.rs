//! Headers on their way through: of the caller's, what is a credential or belongs to a connection
//! stays here; of the provider's, what belongs to a connection or names the key. Values are bytes
//! (RFC 9110, section 5.5), which JavaScript has as text of U+0000 to U+00FF.

use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

use crate::engine::config::CREDENTIAL_HEADERS;
use crate::engine::exchange::Placed;
use crate::error::{Error, Result};

/// Names and values as JavaScript has them.
pub type Pairs = Vec<(String, String)>;

/// What the HTTP client decides: connection, framing, compression and where the request goes.
const OF_THE_CONNECTION: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
    "accept-encoding",
    "http2-settings",
];

/// What a caller's client and the proxies before the app say of each other. No business of the provider's.
const OF_THE_CLIENT: &[&str] = &[
    "origin",
    "referer",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "priority",
    "dnt",
];
const OF_THE_CLIENT_PREFIXES: &[&str] = &["sec-", "x-forwarded-", "cf-", "fly-", "x-vercel-"];

/// The caller's headers that go on, without a credential. `is_proxied`: they came from a client of the
/// app's and are not the app's own.
///
/// # Errors
/// `INVALID_ARGUMENT` for a name or value that can't be sent.
pub fn to_provider(pairs: &Pairs, is_proxied: bool) -> Result<HeaderMap> {
    let hop_by_hop = named_by_connection(pairs);
    let mut headers = HeaderMap::with_capacity(pairs.len() + 4);
    for (name, value) in pairs {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            Error::invalid_argument(format!("headers: {name:?} is not a valid header name."))
        })?;
        let name = parsed.as_str();
        let stays = CREDENTIAL_HEADERS.contains(&name)
            || OF_THE_CONNECTION.contains(&name)
            || hop_by_hop.iter().any(|other| other == name)
            || (is_proxied && is_of_the_client(name));
        if stays {
            continue;
        }
        let value = bytes_of(value).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let value = value.ok_or_else(|| {
            Error::invalid_argument(format!(
                "headers: the value of {name} has characters that headers can't hold."
            ))
        })?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// Where the caller placed its credential.
pub fn placed(pairs: &Pairs) -> Placed {
    let mut found = pairs
        .iter()
        .filter(|(name, _)| CREDENTIAL_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    match (found.next(), found.next()) {
        (Some((name, value)), None)
            if name.eq_ignore_ascii_case("authorization")
                && value
                    .get(..7)
                    .is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) =>
        {
            Placed::AsBearer
        }
        _ => Placed::Otherwise,
    }
}

/// The provider's headers for the caller. One that holds the key is left out. `is_proxied`: they go on to
/// a client of the app's, for whose origin the provider's cookies are not meant.
pub fn from_provider(headers: &HeaderMap, key: &[u8], is_proxied: bool) -> Pairs {
    let mut pairs = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.as_str();
        let of_the_connection = matches!(
            name,
            "connection" | "keep-alive" | "transfer-encoding" | "upgrade" | "proxy-authenticate"
        );
        let not_for_clients = matches!(
            name,
            "set-cookie" | "alt-svc" | "strict-transport-security" | "nel" | "report-to"
        );
        let stays = of_the_connection
            || (is_proxied && not_for_clients)
            || (!key.is_empty() && memmem::find(value.as_bytes(), key).is_some());
        if !stays {
            let value = value.as_bytes().iter().copied().map(char::from).collect();
            pairs.push((name.to_owned(), value));
        }
    }
    pairs
}

/// The query without `key`, which is how an API key goes in a URL.
pub fn without_key(query: &str) -> Option<String> {
    let is_key = |pair: &&str| {
        url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .is_some_and(|(name, _)| name == "key")
    };
    if !query.split('&').any(|pair| is_key(&pair)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    Some(kept.join("&"))
}

/// Headers that `connection` names belong to the connection too (RFC 9110, section 7.6.1).
fn named_by_connection(pairs: &Pairs) -> Vec<String> {
    pairs
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, value)| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

fn is_of_the_client(name: &str) -> bool {
    OF_THE_CLIENT.contains(&name)
        || OF_THE_CLIENT_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn names(given: &[(&str, &str)], is_proxied: bool) -> Vec<String> {
        let headers = to_provider(&pairs(given), is_proxied).unwrap();
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn credentials_and_what_belongs_to_the_connection_stay_here() {
        let given = [
            ("Authorization", "Bearer byok"),
            ("X-Api-Key", "byok"),
            ("api-key", "byok"),
            ("x-goog-api-key", "byok"),
            ("xi-api-key", "byok"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("Cookie", "session=1"),
            ("Host", "evil.example"),
            ("Content-Length", "3"),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close, X-Private"),
            ("x-private", "1"),
            ("Content-Type", "application/json"),
            ("OpenAI-Beta", "assistants=v2"),
        ];
        assert_eq!(names(&given, false), ["content-type", "openai-beta"]);
    }

    #[test]
    fn of_a_client_behind_the_app_only_what_the_provider_needs_goes_on() {
        let given = [
            ("origin", "https://app.example"),
            ("referer", "https://app.example/secret"),
            ("x-forwarded-for", "10.0.0.1"),
            ("sec-fetch-mode", "cors"),
            ("user-agent", "Browser/1"),
            ("accept", "text/event-stream"),
        ];
        assert_eq!(names(&given, true), ["user-agent", "accept"]);
        assert_eq!(names(&given, false).len(), given.len());
    }

    #[test]
    fn a_bearer_token_alone_is_told_from_other_credentials() {
        let bearer = ("Authorization", "Bearer byok");
        assert_eq!(placed(&pairs(&[bearer, ("x-a", "1")])), Placed::AsBearer);
        for other in [
            &[bearer, ("x-api-key", "byok")][..],
            &[("authorization", "Basic eDp5")],
            &[("x-api-key", "byok")],
            &[],
        ] {
            assert_eq!(placed(&pairs(other)), Placed::Otherwise);
        }
    }

    #[test]
    fn values_are_bytes_both_ways() {
        let headers = to_provider(&pairs(&[("x-name", "caf\u{e9}")]), false).unwrap();
        assert_eq!(headers["x-name"].as_bytes(), b"caf\xe9");
        assert_eq!(
            from_provider(&headers, b"", false),
            pairs(&[("x-name", "caf\u{e9}")])
        );
        for bad in ["a\nb", "a\0b", "\u{20ac}"] {
            assert!(to_provider(&pairs(&[("x-name", bad)]), false).is_err());
        }
    }

    #[test]
    fn a_header_that_is_there_twice_stays_twice() {
        let twice = pairs(&[("x-a", "1"), ("x-a", "2")]);
        let headers = to_provider(&twice, false).unwrap();
        assert_eq!(from_provider(&headers, b"", false), twice);
    }

    #[test]
    fn an_answer_with_the_key_in_a_header_goes_on_without_it() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("key=my-secret-key;"));
        headers.insert("x-other", HeaderValue::from_static("fine"));
        headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        assert_eq!(
            from_provider(&headers, b"my-secret-key", true),
            pairs(&[("x-other", "fine")])
        );
        assert_eq!(from_provider(&headers, b"my-secret-key", false).len(), 2);
    }

    #[test]
    fn only_the_key_is_taken_out_of_a_query() {
        assert_eq!(without_key("alt=sse&q=%20a+b&key2=x"), None);
        for query in ["key=byok", "k%65y=byok", "key"] {
            assert_eq!(without_key(query).as_deref(), Some(""), "{query}");
        }
        assert_eq!(
            without_key("alt=sse&key=byok&q=%20a+b").as_deref(),
            Some("alt=sse&q=%20a+b")
        );
    }
}
