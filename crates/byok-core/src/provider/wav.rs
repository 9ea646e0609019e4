//! The head of a WAV file (RIFF, PCM): what bare samples need to be played.

/// Bytes of [`head`].
pub const HEAD_BYTES: usize = 44;

/// The head for mono samples of 16 bits. `data_bytes` is `None` while the length is not known: both
/// lengths are then the largest value, which players take for "until the end".
pub fn head(sample_rate: u32, data_bytes: Option<usize>) -> [u8; HEAD_BYTES] {
    let data = data_bytes.and_then(|bytes| u32::try_from(bytes).ok());
    let riff = data.and_then(|bytes| bytes.checked_add(36));
    let mut head = [0; HEAD_BYTES];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RIFF");
    put(4, &riff.unwrap_or(u32::MAX).to_le_bytes());
    put(8, b"WAVEfmt ");
    put(16, &16u32.to_le_bytes());
    put(20, &1u16.to_le_bytes());
    put(22, &1u16.to_le_bytes());
    put(24, &sample_rate.to_le_bytes());
    put(28, &sample_rate.saturating_mul(2).to_le_bytes());
    put(32, &2u16.to_le_bytes());
    put(34, &16u16.to_le_bytes());
    put(36, b"data");
    put(40, &data.unwrap_or(u32::MAX).to_le_bytes());
    head
}

/// The content type of bare samples, as this library writes it.
pub fn pcm_type(sample_rate: u32) -> String {
    format!("audio/pcm;rate={sample_rate};encoding=s16le;channels=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_rate_and_lengths() {
        let head = head(24_000, Some(100));
        assert_eq!(&head[..4], b"RIFF");
        assert_eq!(head[4..8], 136u32.to_le_bytes());
        assert_eq!(head[24..28], 24_000u32.to_le_bytes());
        assert_eq!(head[28..32], 48_000u32.to_le_bytes());
        assert_eq!(head[40..], 100u32.to_le_bytes());
    }

    #[test]
    fn a_length_that_is_not_known_or_does_not_fit_is_the_largest_value() {
        for head in [head(8_000, None), head(8_000, Some(u32::MAX as usize))] {
            assert_eq!(head[4..8], [0xFF; 4]);
        }
        assert_eq!(head(8_000, None)[40..], [0xFF; 4]);
    }
}
