//! What a user pastes, checked: a key alone, or the fields of a provider that needs more than one. All of
//! it is sealed together.

use std::collections::BTreeMap;

use byok_vault::Secret;
use zeroize::Zeroizing;

use super::exchange::{CREDENTIAL_FIELD, NO_CREDENTIAL};
use super::nearest::nearest;
use crate::error::{Error, Result};
use crate::provider::Provider;

const API_KEY: &str = "apiKey";
/// A credential that stands in the place of an API key, where the provider declares it.
const TOKEN: &str = "token";

pub(super) struct Credential {
    pub key: Secret,
    pub fields: Vec<(String, Secret)>,
}

/// A key alone.
///
/// # Errors
/// `INVALID_ARGUMENT` for what is no key, and for providers that need more.
pub(super) fn from_key(bytes: &[u8], provider: &dyn Provider) -> Result<Credential> {
    if let Some(field) = provider.fields().iter().find(|field| field.is_required) {
        return Err(missing(provider, field.name));
    }
    if bytes.trim_ascii().is_empty() && provider.key_is_optional() {
        return Ok(without_key(Vec::new()));
    }
    Ok(Credential {
        key: checked_key(bytes, API_KEY)?,
        fields: Vec::new(),
    })
}

/// A JSON object of texts: the key and the provider's further fields.
///
/// # Errors
/// `INVALID_ARGUMENT` naming a field that is unknown, missing or malformed.
pub(super) fn from_fields(json: &[u8], provider: &dyn Provider) -> Result<Credential> {
    let given: BTreeMap<String, String> = serde_json::from_slice(json)
        .map_err(|_| Error::invalid_argument("apiKey: its fields must all be strings."))?;
    let wiped = |(name, value)| (name, Zeroizing::new(value));
    let mut given: BTreeMap<String, Zeroizing<String>> = given.into_iter().map(wiped).collect();
    let known = provider.fields();
    for name in given.keys() {
        if name != API_KEY && !known.iter().any(|field| field.name == name) {
            return Err(unknown(provider, name));
        }
    }
    for field in &known {
        if field.is_required && !given.contains_key(field.name) {
            return Err(missing(provider, field.name));
        }
    }
    let key = given.remove(API_KEY);
    let token = given.remove(TOKEN);
    let mut fields = Vec::with_capacity(given.len() + 1);
    for (name, value) in given {
        let value = value.trim();
        if value.is_empty() || value.contains(|c: char| c.is_control()) {
            return Err(Error::invalid_argument(format!(
                "apiKey.{name} must be a text without line breaks and not empty."
            )));
        }
        fields.push((name, Secret::copy_from(value.as_bytes())));
    }
    match (key, token) {
        (Some(_), Some(_)) => Err(Error::invalid_argument(
            "apiKey: give apiKey.apiKey or apiKey.token, not both.",
        )),
        (Some(key), None) => Ok(Credential {
            key: checked_key(key.as_bytes(), "apiKey.apiKey")?,
            fields,
        }),
        (None, Some(token)) => {
            fields.push((
                CREDENTIAL_FIELD.to_owned(),
                Secret::copy_from(TOKEN.as_bytes()),
            ));
            Ok(Credential {
                key: checked_key(token.as_bytes(), "apiKey.token")?,
                fields,
            })
        }
        (None, None) if provider.key_is_optional() => Ok(without_key(fields)),
        (None, None) => Err(missing(provider, API_KEY)),
    }
}

/// A record always holds a key; this one is never sent.
fn without_key(mut fields: Vec<(String, Secret)>) -> Credential {
    let none = || Secret::copy_from(NO_CREDENTIAL.as_bytes());
    fields.push((CREDENTIAL_FIELD.to_owned(), none()));
    Credential {
        key: none(),
        fields,
    }
}

/// White space around a pasted key is trimmed; inside there may be none, nor anything but ASCII.
fn checked_key(bytes: &[u8], option: &str) -> Result<Secret> {
    let key = bytes.trim_ascii();
    // A pasted key may bring a byte order mark or a no-break space along.
    let key = key.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(key);
    if key.is_empty() {
        return Err(Error::invalid_argument(format!(
            "{option} is empty. Give the key as the provider shows it."
        )));
    }
    if let Some(position) = key.iter().position(|byte| !(0x21..=0x7E).contains(byte)) {
        return Err(Error::invalid_argument(format!(
            "{option} has a character at position {position} that keys don't have (a space, a line break or one beyond ASCII). Copy it again from the provider."
        )));
    }
    if key.len() > 8_192 {
        return Err(Error::invalid_argument(format!(
            "{option} is longer than 8,192 characters: this is no key."
        )));
    }
    Ok(Secret::copy_from(key))
}

fn missing(provider: &dyn Provider, name: &str) -> Error {
    let fields = provider.fields();
    let field = fields.iter().find(|field| field.name == name);
    let what = field.map_or_else(String::new, |field| format!(" ({})", field.what));
    Error::invalid_argument(format!(
        "apiKey.{name} is missing{what}. {}",
        all_fields(provider)
    ))
}

fn unknown(provider: &dyn Provider, name: &str) -> Error {
    let fields = provider.fields();
    let names = fields.iter().map(|field| field.name);
    let hint = match nearest(name, names.chain([API_KEY])) {
        Some(near) => format!("Did you mean {near}?"),
        None => all_fields(provider),
    };
    Error::invalid_argument(format!("apiKey.{name} is not known. {hint}"))
}

fn all_fields(provider: &dyn Provider) -> String {
    let name = provider.name();
    if provider.fields().is_empty() {
        return format!("{name} takes apiKey alone.");
    }
    let names: Vec<String> = provider
        .fields()
        .iter()
        .map(|field| {
            let optional = if field.is_required { "" } else { "?" };
            format!("{}{optional}", field.name)
        })
        .collect();
    format!("{name} takes apiKey: {{ apiKey, {} }}.", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::builtin;

    #[test]
    fn white_space_around_a_pasted_key_is_trimmed_and_inside_refused() {
        let checked = |bytes: &[u8]| checked_key(bytes, API_KEY);
        assert_eq!(checked(b" \tsk-abc\r\n").unwrap().expose(), b"sk-abc");
        for bad in [
            &b""[..],
            b"  ",
            b"sk abc",
            b"sk\nabc",
            "sk-\u{00e4}".as_bytes(),
            b"a\0b",
        ] {
            assert!(checked(bad).is_err());
        }
    }

    #[test]
    fn fields_that_nobody_reads_are_refused_and_not_sealed() {
        let all = builtin();
        let openai = all
            .iter()
            .find(|provider| provider.id() == "openai")
            .unwrap();
        let refusal = |json: &str| match from_fields(json.as_bytes(), &**openai) {
            Ok(_) => panic!("{json} was taken"),
            Err(error) => error.message().to_owned(),
        };
        assert!(from_fields(br#"{"apiKey":"sk-x"}"#, &**openai).is_ok());
        assert!(refusal(r#"{"apiKey":"sk-x","organisation":"o"}"#).contains("organisation"));
        assert!(refusal("{}").contains("apiKey.apiKey is missing"));
        assert!(refusal(r#"{"apiKey":1}"#).contains("strings"));
    }
}
