//! Takes keys out of texts that others wrote: providers echo them ("Incorrect API key provided:
//! sk-..."). Removes the exact key, every run of 8 of its characters, and, in case the key is not the
//! one we know of, whatever is shaped like a key. Pure, and linear in the text.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use zeroize::Zeroizing;

/// What stands where something was taken out.
pub const REDACTED: &str = "[redacted]";

/// This many characters of a key, one after the other, are never let through.
const WINDOW: usize = 8;

/// Beginnings of the keys and tokens that AI providers give out.
const KEY_PREFIXES: &[&str] = &[
    "sk-", "sk_", "pk-", "AIza", "AQ.", "xai-", "gsk_", "pplx-", "hf_", "r8_", "nvapi-", "csk-",
    "fw_", "tgp_", "ya29.",
];

/// A key has at least this many characters after its prefix, one of them a digit.
const SHORTEST_TAIL: usize = 16;

/// The text without the key, or `None` when there was nothing to take out. A key of fewer than 8
/// characters is taken out wherever it stands as a whole.
///
/// ```
/// use byok_core::redact::redact;
/// let text = "Incorrect API key provided: my-secret-key.";
/// let redacted = redact(text, b"my-secret-key");
/// assert_eq!(redacted.as_deref(), Some("Incorrect API key provided: [redacted]."));
/// ```
pub fn redact(text: &str, secret: &[u8]) -> Option<String> {
    let mut found = Vec::new();
    if secret.len() < WINDOW {
        find_whole(text, secret, &mut found);
    } else {
        find_windows(text, secret, &mut found);
    }
    find_key_shapes(text, &mut found);
    if found.is_empty() {
        return None;
    }
    found.sort_unstable_by_key(|range| range.start);
    Some(replace(text, &found))
}

/// The text without the exact key, and nothing else changed: for what must stay what it is, like an
/// answer that happens to quote other keys.
pub fn without<'a>(text: &'a str, secret: &[u8]) -> Cow<'a, str> {
    let mut found = Vec::new();
    find_whole(text, secret, &mut found);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replace(text, &found))
}

/// At most `max_chars` characters of the text, the last of them an ellipsis if it was longer.
pub fn bounded(text: &str, max_chars: usize) -> Cow<'_, str> {
    if text.len() <= max_chars || text.chars().nth(max_chars).is_none() {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

fn find_whole(text: &str, secret: &[u8], found: &mut Vec<Range<usize>>) {
    if secret.is_empty() {
        return;
    }
    found.extend(
        memmem::find_iter(text.as_bytes(), secret).map(|start| start..start + secret.len()),
    );
}

/// Eight bytes are one number, so a window of the text is a window of the key if the number is among
/// the key's. A small bit table says "no" for nearly all of them before the sorted list is asked.
fn find_windows(text: &str, secret: &[u8], found: &mut Vec<Range<usize>>) {
    let mut windows = Zeroizing::new(Vec::with_capacity(secret.len() + 1 - WINDOW));
    windows.extend(secret.windows(WINDOW).map(number));
    windows.sort_unstable();
    let mut filter = Zeroizing::new(vec![0u64; FILTER_WORDS]);
    for window in windows.iter() {
        let (word, bit) = filter_place(*window);
        filter[word] |= bit;
    }
    for (start, bytes) in text.as_bytes().windows(WINDOW).enumerate() {
        let window = number(bytes);
        let (word, bit) = filter_place(window);
        if filter[word] & bit == 0 || windows.binary_search(&window).is_err() {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.end >= start => last.end = start + WINDOW,
            _ => found.push(start..start + WINDOW),
        }
    }
}

const FILTER_WORDS: usize = 1 << 10;

fn filter_place(window: u64) -> (usize, u64) {
    // Fibonacci hashing; the top 16 bits are the best mixed.
    let place = window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    ((place >> 6) as usize, 1 << (place & 63))
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn find_key_shapes(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let word_start = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let prefix = if word_start {
            key_prefix(&bytes[at..])
        } else {
            None
        };
        let Some(prefix) = prefix else {
            at += 1;
            continue;
        };
        let tail_start = at + prefix;
        let tail = &bytes[tail_start..];
        let length = tail
            .iter()
            .position(|byte| !is_key_byte(*byte))
            .unwrap_or(tail.len());
        let end = tail_start + length;
        if length >= SHORTEST_TAIL && tail[..length].iter().any(u8::is_ascii_digit) {
            found.push(at..end);
        }
        at = end;
    }
}

/// The length of a key's beginning, or of `Bearer` and its space.
fn key_prefix(bytes: &[u8]) -> Option<usize> {
    const BEARER: &[u8] = b"bearer ";
    if bytes
        .get(..BEARER.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(BEARER))
    {
        return Some(BEARER.len());
    }
    KEY_PREFIXES
        .iter()
        .find(|prefix| bytes.starts_with(prefix.as_bytes()))
        .map(|prefix| prefix.len())
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
}

/// `found` is sorted by start; what overlaps or touches becomes one. A range that would cut a
/// character in two takes the whole of it.
fn replace(text: &str, found: &[Range<usize>]) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut kept_from = 0;
    let mut ranges = found.iter().cloned().peekable();
    while let Some(mut range) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        let start = (kept_from..=range.start)
            .rev()
            .find(|start| text.is_char_boundary(*start))
            .unwrap_or(kept_from);
        let end = (range.end..=text.len())
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(text.len());
        redacted.push_str(&text[kept_from..start]);
        redacted.push_str(REDACTED);
        kept_from = end;
    }
    redacted.push_str(&text[kept_from..]);
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"zq-T3BlbkFJabcdefghijklmnop0123456789";

    fn redacted(text: &str) -> String {
        redact(text, KEY).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn the_exact_key_is_taken_out_wherever_it_stands() {
        let key = std::str::from_utf8(KEY).unwrap();
        assert_eq!(redacted(key), REDACTED);
        assert_eq!(
            redacted(&format!("a {key}, b\"{key}\"é{key}")),
            "a [redacted], b\"[redacted]\"é[redacted]"
        );
        assert_eq!(redacted(&format!("{key}{key}")), REDACTED);
    }

    #[test]
    fn every_run_of_eight_characters_of_the_key_is_taken_out() {
        for window in KEY.windows(WINDOW) {
            let window = std::str::from_utf8(window).unwrap();
            let text = redacted(&format!("Schlüssel „{window}“"));
            assert_eq!(text, "Schlüssel „[redacted]“");
        }
        assert_eq!(redact("T3Blbkf", KEY), None);
    }

    #[test]
    fn a_masked_key_keeps_only_what_is_shorter_than_a_window() {
        assert_eq!(
            redacted("provided: zq-T3BlbkFJ*****6789."),
            "provided: [redacted]*****6789."
        );
        assert_eq!(redact("provided: zq-T3B*****6789.", KEY), None);
    }

    #[test]
    fn a_key_shorter_than_a_window_is_taken_out_whole() {
        assert_eq!(
            redact("key é abc, not ab", b"abc").unwrap(),
            "key é [redacted], not ab"
        );
        assert_eq!(redact("abcabc", b"abc").unwrap(), REDACTED);
        assert_eq!(redact("anything", b""), None);
    }

    #[test]
    fn what_is_shaped_like_a_key_is_taken_out_though_it_is_not_the_known_one() {
        for text in [
            "sk-proj-abcDEF0123456789xyz",
            "sk-ant-api03-AAAA_BBBB-CCCC1",
            "AIzaSyA0123456789abcdefghijklmnopqrstuv",
            "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
            "bearer 0123456789abcdef0",
            "sk_0123456789abcdef0123456789abcdef",
            "gsk_0123456789abcdefghij",
        ] {
            assert_eq!(redacted(text), REDACTED, "{text}");
            assert_eq!(redacted(&format!("é({text})")), "é([redacted])");
        }
        for harmless in [
            "Use Bearer authentication-with-a-header",
            "disk-9f8e7d6c5b4a3f2e1d",
            "sk-...",
            "sk-",
            "Bearer ",
            "risk-assessment-of-2024-and-later-years",
        ] {
            assert_eq!(redact(harmless, KEY), None, "{harmless}");
        }
    }

    #[test]
    fn no_bytes_of_any_kind_break_a_character() {
        let secret: Vec<u8> = "ключ-für-тест".into();
        for start in 0..secret.len() {
            let tail = String::from_utf8_lossy(&secret[start..]).into_owned();
            if let Some(text) = redact(&format!("é{tail}é"), &secret) {
                assert!(text.contains(REDACTED));
            }
        }
        // Windows that begin and end inside characters.
        let inside = &"ééééé".as_bytes()[1..9];
        assert_eq!(redact("aéééééb", inside).unwrap(), "a[redacted]b");
    }

    #[test]
    fn no_window_of_a_long_key_is_left_in_a_long_text() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            b'!' + ((state >> 33) % 94) as u8
        };
        let secret: Vec<u8> = (0..8192).map(|_| next()).collect();
        let mut text = String::new();
        let mut from = 0;
        while text.len() < 1 << 20 {
            let length = 1 + from % 40;
            from = (from * 7 + 13) % (secret.len() - 40);
            text.push_str(std::str::from_utf8(&secret[from..from + length]).unwrap());
            text.push_str(" ü ");
        }
        let text = redact(&text, &secret).unwrap();
        let windows: std::collections::HashSet<&[u8]> = secret.windows(WINDOW).collect();
        assert!(
            !text
                .as_bytes()
                .windows(WINDOW)
                .any(|window| windows.contains(window))
        );
        assert!(text.contains(" ü ") && text.contains(REDACTED));
    }

    #[test]
    fn only_the_exact_key_is_taken_out_of_what_must_stay_as_it_is() {
        let key = std::str::from_utf8(KEY).unwrap();
        let other = "sk-proj-abcDEF0123456789xyz";
        assert_eq!(
            without(&format!("{other} {key}"), KEY),
            format!("{other} {REDACTED}")
        );
        assert!(matches!(without(other, KEY), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_is_bounded_by_characters_not_bytes() {
        assert_eq!(bounded("äöü", 3), "äöü");
        assert_eq!(bounded("äöüß", 3), "äö…");
        assert_eq!(bounded("abc", 0), "…");
        assert_eq!(bounded("", 0), "");
    }
}
