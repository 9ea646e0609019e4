//! The hint by which a person recognises a key: `sk-...wxyz`.

/// A short prefix that names the kind of key and the last four characters. Keys of fewer than 20
/// characters show nothing of themselves.
pub fn hint(key: &str) -> String {
    if key.len() < 20 || !key.is_ascii() {
        return "...".to_owned();
    }
    let prefix = key
        .find(['-', '_', '.'])
        .filter(|end| *end <= 5)
        .map_or("", |end| &key[..=end]);
    format!("{prefix}...{}", &key[key.len() - 4..])
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn a_hint_shows_the_kind_and_the_last_four_only() {
        assert_eq!(hint("sk-proj-0123456789abcdefwxyz"), "sk-...wxyz");
        assert_eq!(hint("0123456789abcdef0123456789abcdef"), "...cdef");
        assert_eq!(hint("AQ.0123456789abcdefwxyz"), "AQ....wxyz");
        assert_eq!(hint("short-key"), "...");
    }
}
