//! Where a caller's URL leads: to the place that the key may go to, or nowhere. A request that an SDK
//! makes to the provider's public address is moved to the address that the app configured, or that
//! is sealed with the key. Pure.

use url::Url;

use crate::error::{Error, Result};

/// The places where requests for one provider may begin, and the one where all of them go.
pub struct Places<'a> {
    /// The provider's public base URL; what it has as its path (`/v1`) tells where its root is.
    pub public: &'a str,
    /// The base URL that the app configured, else the public one.
    pub configured: &'a str,
    /// Where the key goes: the base URL sealed with it, else the configured one.
    pub target: &'a str,
    /// Whether the public address is known to be the provider's as a whole. One that the app named
    /// may be one tenant's part of a shared host.
    pub owns_origin: bool,
}

impl Places<'_> {
    /// The caller's URL as an absolute one: a path begins at the provider's public root.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for what is neither a path nor an absolute URL.
    pub fn absolute(&self, text: &str) -> Result<Url> {
        let parsed = if text.starts_with('/') {
            Url::parse(&[self.base(self.public).root, text].concat())
        } else {
            Url::parse(text)
        };
        parsed.map_err(|_| {
            Error::invalid_argument("The URL of the request is neither an absolute one nor a path.")
        })
    }

    /// The URL to ask for the caller's `url`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a URL outside of all places, and for one that has no counterpart under
    /// the target. Only the host of a foreign URL is named.
    pub fn translate(&self, url: &Url) -> Result<Url> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid_argument(
                "The URL holds a user name or a password. Leave them out: the user's key is put in.",
            ));
        }
        if climbs(url.path()) {
            return Err(Error::invalid_argument(
                "The URL's path holds an encoded \"..\", which servers read differently.",
            ));
        }
        let mut url = url.clone();
        url.set_fragment(None);
        let target = self.base(self.target);
        let mut known = false;
        for place in [self.target, self.configured, self.public] {
            let place = self.base(place);
            let Some(rest) = under(&url, place.root) else {
                continue;
            };
            known = true;
            if let Some(translated) = target.join(&place, rest) {
                return parse(&translated);
            }
        }
        Err(if known {
            Error::invalid_argument(format!(
                "The path of the URL has no counterpart under {}, where this key goes.",
                self.target
            ))
        } else {
            self.foreign(&url)
        })
    }

    /// Whether any key could go there, before one is opened. A key may have an origin of its own
    /// where users bring them; that is seen when it is open.
    pub fn check(&self, url: &Url, users_bring_origins: bool) -> Result<()> {
        if users_bring_origins {
            return Ok(());
        }
        self.translate(url).map(drop)
    }

    fn base<'a>(&self, base: &'a str) -> Base<'a> {
        let public_path = path_of(self.public);
        if !self.owns_origin {
            return Base {
                root: base,
                path: "",
            };
        }
        match base.strip_suffix(public_path) {
            // `https://a.b` of `https://a.b/v1`, never `https:/` of `https://v1`.
            Some(root) if !public_path.is_empty() && has_host(root) => Base {
                root,
                path: &base[root.len()..],
            },
            _ => Base {
                root: base,
                path: "",
            },
        }
    }

    fn foreign(&self, url: &Url) -> Error {
        let host = url.host_str().unwrap_or("an address without a host");
        let allowed = if self.target == self.public {
            self.public.to_owned()
        } else {
            format!("{} and {}", self.target, self.public)
        };
        Error::invalid_argument(format!(
            "A request to {} was not sent: this key may go to {allowed} only. Check the SDK's base URL, or set baseURL for the provider.",
            // A host name has at most 253 characters; the rest of a longer one is of no use.
            host.get(..253).unwrap_or(host)
        ))
    }
}

/// A base URL in two: what requests must begin with, and the rest of it that API paths begin with.
struct Base<'a> {
    root: &'a str,
    /// The provider's own API path (`/v1`), or nothing where the base has another one.
    path: &'a str,
}

impl Base<'_> {
    /// `rest`, which follows `from.root`, as a URL under this one.
    fn join(&self, from: &Base<'_>, rest: &str) -> Option<String> {
        if self.root == from.root || self.path == from.path {
            return Some([self.root, rest].concat());
        }
        // One of both has the provider's path and the other a path in its place.
        let rest = if from.path.is_empty() {
            rest
        } else {
            rest.strip_prefix(from.path)
                .filter(|rest| ends_here(rest))?
        };
        Some([self.root, self.path, rest].concat())
    }
}

/// What follows `root` in a URL, if it is there or below.
fn under<'a>(url: &'a Url, root: &str) -> Option<&'a str> {
    let rest = url.as_str().strip_prefix(root)?;
    ends_here(rest).then_some(rest)
}

fn ends_here(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?'])
}

fn path_of(base: &str) -> &str {
    let host = base.find("://").map_or(0, |at| at + 3);
    base[host..].find('/').map_or("", |at| &base[host + at..])
}

fn has_host(root: &str) -> bool {
    root.find("://").is_some_and(|at| at + 3 < root.len())
}

/// Whether the path leaves its place for a server that decodes slashes before dots.
fn climbs(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let decoded = path
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    decoded.split('/').any(|segment| segment == "..")
}

fn parse(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|_| Error::invalid_argument("The URL can't be sent."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENAI: &str = "https://api.openai.com/v1";

    fn places<'a>(configured: &'a str, target: &'a str) -> Places<'a> {
        Places {
            public: OPENAI,
            configured,
            target,
            owns_origin: true,
        }
    }

    fn translate(places: &Places<'_>, url: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        places.translate(&url).ok().map(Url::into)
    }

    #[test]
    fn the_whole_public_origin_is_the_providers_own() {
        let own = places(OPENAI, OPENAI);
        for url in [
            "https://api.openai.com/v1/chat/completions?x=y",
            "https://api.openai.com/v2/new",
            "https://api.openai.com/",
        ] {
            assert_eq!(translate(&own, url).as_deref(), Some(url));
        }
        assert_eq!(
            translate(&own, "https://API.openai.com:443/v1/models#top").as_deref(),
            Some("https://api.openai.com/v1/models")
        );
    }

    #[test]
    fn another_origin_is_foreign_however_much_it_looks_like_the_own() {
        let own = places(OPENAI, OPENAI);
        for url in [
            "http://api.openai.com/v1/models",
            "https://api.openai.com:8443/v1/models",
            "https://api.openai.com.evil.example/v1/models",
            "https://api.openai.com@evil.example/v1/models",
            "https://user:pass@api.openai.com/v1/models",
            "https://evil.example/https://api.openai.com/v1",
            "https://api.openai.co/v1/models",
            "data:text/plain,x",
            "blob:https://api.openai.com/v1",
        ] {
            assert_eq!(translate(&own, url), None, "{url}");
        }
        let secret = Url::parse("https://evil.example/steal?key=sk-1").unwrap();
        let error = own.translate(&secret).unwrap_err();
        assert!(error.message().contains("evil.example"));
        assert!(!error.message().contains("steal") && !error.message().contains("sk-1"));
    }

    #[test]
    fn requests_to_the_public_address_move_to_the_configured_one() {
        let gateway = "https://gw.example/acct/openai";
        let with_gateway = places(gateway, gateway);
        assert_eq!(
            translate(
                &with_gateway,
                "https://api.openai.com/v1/chat/completions?a=1"
            )
            .as_deref(),
            Some("https://gw.example/acct/openai/chat/completions?a=1")
        );
        assert_eq!(
            translate(&with_gateway, "https://gw.example/acct/openai/models").as_deref(),
            Some("https://gw.example/acct/openai/models")
        );
        // Another tenant of the gateway, and what the gateway has no place for.
        for url in [
            "https://gw.example/other/openai/models",
            "https://gw.example/acct/openai2/models",
            "https://gw.example/acct/openai/../../other/models",
            "https://gw.example/acct/openai/%2e%2e/other",
            "https://gw.example/acct/openai/x/..%2f..%2fother",
            "https://gw.example/acct/openai/x%5c..%5c..%5cother",
            "https://api.openai.com/other",
            "https://api.openai.com/v12/models",
        ] {
            assert_eq!(translate(&with_gateway, url), None, "{url}");
        }
    }

    #[test]
    fn a_configured_address_with_the_providers_own_path_mirrors_its_whole_origin() {
        let local = "http://127.0.0.1:8089/openai/v1";
        let mirrored = places(local, local);
        for (url, expected) in [
            (
                "https://api.openai.com/v1/models",
                "http://127.0.0.1:8089/openai/v1/models",
            ),
            (
                "https://api.openai.com/v2/x",
                "http://127.0.0.1:8089/openai/v2/x",
            ),
            (
                "http://127.0.0.1:8089/openai/v2/x",
                "http://127.0.0.1:8089/openai/v2/x",
            ),
        ] {
            assert_eq!(translate(&mirrored, url).as_deref(), Some(expected));
        }
        assert_eq!(translate(&mirrored, "http://127.0.0.1:8089/admin"), None);
    }

    #[test]
    fn a_path_begins_at_the_providers_root_and_stays_on_its_host() {
        let own = places(OPENAI, OPENAI);
        for (path, expected) in [
            ("/v1/models?a=1", "https://api.openai.com/v1/models?a=1"),
            ("//evil.example/x", "https://api.openai.com//evil.example/x"),
            ("/../x", "https://api.openai.com/x"),
            ("/@evil.example", "https://api.openai.com/@evil.example"),
        ] {
            assert_eq!(own.absolute(path).unwrap().as_str(), expected);
        }
        assert!(own.absolute("v1/models").is_err());
    }

    #[test]
    fn an_address_sealed_with_the_key_takes_what_goes_to_the_others_too() {
        let sealed = places("https://gw.example/openai", "https://llm.user.example/api");
        for url in [
            "https://api.openai.com/v1/models",
            "https://gw.example/openai/models",
            "https://llm.user.example/api/models",
        ] {
            assert_eq!(
                translate(&sealed, url).as_deref(),
                Some("https://llm.user.example/api/models"),
                "{url}"
            );
        }
        assert_eq!(translate(&sealed, "https://llm.user.example/other"), None);
    }

    #[test]
    fn a_provider_of_the_apps_own_is_what_is_below_its_base() {
        let base = "https://shared.example/team/v1";
        let own = Places {
            public: base,
            configured: base,
            target: base,
            owns_origin: false,
        };
        let url = "https://shared.example/team/v1/chat/completions";
        assert_eq!(translate(&own, url).as_deref(), Some(url));
        assert_eq!(translate(&own, "https://shared.example/team/v2/x"), None);
    }

    #[test]
    fn a_base_without_a_path_is_its_own_root() {
        let anthropic = Places {
            public: "https://api.anthropic.com",
            configured: "http://127.0.0.1:1/anthropic",
            target: "http://127.0.0.1:1/anthropic",
            owns_origin: true,
        };
        assert_eq!(
            translate(&anthropic, "https://api.anthropic.com/v1/messages").as_deref(),
            Some("http://127.0.0.1:1/anthropic/v1/messages")
        );
        assert_eq!(translate(&anthropic, "http://127.0.0.1:1/openai"), None);
    }
}
