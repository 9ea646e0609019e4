//! The known name that a misspelt one most likely meant.

/// By edit distance, at most a third of the name's length (and at least 1, so short ones count).
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, case ignored.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_finds_its_name_and_nonsense_finds_none() {
        let known = ["temperature", "maxTokens", "openai", "anthropic"];
        assert_eq!(
            nearest("temprature", known.into_iter()),
            Some("temperature")
        );
        assert_eq!(nearest("max_tokens", known.into_iter()), Some("maxTokens"));
        assert_eq!(nearest("OpenAI", known.into_iter()), Some("openai"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
