//! A vector as it stands in an answer: an array of numbers, or base64 of 32-bit floats in
//! little-endian order, which is a third of the size and read without parsing a number.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vector(pub Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumbersOrBase64;
        impl<'de> Visitor<'de> for NumbersOrBase64 {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of numbers or base64 of 32-bit floats")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
                let bytes = STANDARD.decode(text).map_err(E::custom)?;
                let (floats, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(E::custom("the bytes are no whole number of 32-bit floats"));
                }
                let floats = floats.iter().map(|float| f32::from_le_bytes(*float));
                Ok(Vector(floats.collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vector, A::Error> {
                let mut vector = Vec::with_capacity(numbers.size_hint().unwrap_or(1024));
                while let Some(number) = numbers.next_element::<f32>()? {
                    if !number.is_finite() {
                        return Err(de::Error::custom("a number beyond 32-bit floats"));
                    }
                    vector.push(number);
                }
                Ok(Vector(vector))
            }
        }
        deserializer.deserialize_any(NumbersOrBase64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_base64_give_the_same_vector() {
        let numbers: Vector = serde_json::from_str("[0.5, -1, 3e-2]").unwrap();
        let bytes: Vec<u8> = [0.5f32, -1.0, 3e-2]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let base64 = format!("\"{}\"", STANDARD.encode(bytes));
        assert_eq!(serde_json::from_str::<Vector>(&base64).unwrap(), numbers);
    }

    #[test]
    fn base64_that_is_no_whole_number_of_floats_is_refused() {
        assert!(serde_json::from_str::<Vector>("\"AAAAAAA=\"").is_err());
        assert!(serde_json::from_str::<Vector>("\"*\"").is_err());
    }
}
