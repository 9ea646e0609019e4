//! Which call a streamed piece belongs to. OpenAI numbers calls; compatible servers leave the number
//! out, give every call the same one, send calls whole, or repeat ids and names in every piece.

use crate::capability::fold::{ChatFold, Slot};

/// The calls of one streamed answer.
#[derive(Debug, Default)]
pub struct ToolPieces {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    /// As the server wrote it; empty when it gave none.
    id: String,
}

/// A piece as it came.
#[derive(Debug)]
pub struct Piece<'a> {
    pub index: Option<u64>,
    pub id: &'a str,
    pub name: &'a str,
    pub arguments: &'a str,
}

impl ToolPieces {
    /// Adds a piece to its call, beginning one if need be. Slots count up from `first`;
    /// `answer` makes the ids of calls that came without one unlike those of other answers.
    pub fn add(&mut self, piece: &Piece<'_>, first: Slot, answer: &str, fold: &mut ChatFold) {
        let position = self.find(piece).unwrap_or_else(|| {
            self.calls.push(Call {
                index: piece.index,
                id: piece.id.to_owned(),
            });
            let position = self.calls.len() - 1;
            let id = if piece.id.is_empty() {
                made_up_id(position, answer)
            } else {
                piece.id.to_owned()
            };
            fold.tool_start(first + position as Slot, &id, piece.name);
            position
        });
        let slot = first + position as Slot;
        if !piece.name.is_empty() {
            fold.tool_start(slot, "", piece.name);
        }
        fold.tool_arguments(slot, piece.arguments);
    }

    fn find(&self, piece: &Piece<'_>) -> Option<usize> {
        let last = |wanted: &dyn Fn(&Call) -> bool| self.calls.iter().rposition(wanted);
        if piece.index.is_some() {
            let found = last(&|call| call.index == piece.index)?;
            let known = self.calls[found].id.as_str();
            // The same number with another id and a name of its own is another call.
            let is_other = !piece.id.is_empty()
                && !known.is_empty()
                && piece.id != known
                && !piece.name.is_empty();
            return (!is_other).then_some(found);
        }
        if !piece.id.is_empty() {
            return last(&|call| call.id == piece.id);
        }
        if !piece.name.is_empty() {
            return None;
        }
        self.calls.len().checked_sub(1)
    }
}

/// Ids tie results to calls, so a call never goes without. At most 64 characters, OpenAI's limit.
pub fn made_up_id(position: usize, answer: &str) -> String {
    let answer: String = answer
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    format!("call_{position}_{answer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(pieces: &[(Option<u64>, &str, &str, &str)]) -> Vec<(String, String, String)> {
        let mut fold = ChatFold::streaming();
        let mut calls = ToolPieces::default();
        for &(index, id, name, arguments) in pieces {
            calls.add(
                &Piece {
                    index,
                    id,
                    name,
                    arguments,
                },
                2,
                "chatcmpl-1",
                &mut fold,
            );
        }
        let result = fold.into_result("p", "m", false);
        let calls = result.tool_calls.into_iter();
        calls
            .map(|call| (call.id, call.name, call.arguments.to_string()))
            .collect()
    }

    fn two() -> Vec<(String, String, String)> {
        vec![
            ("a".into(), "f".into(), r#"{"x":1}"#.into()),
            ("b".into(), "g".into(), r#"{"y":2}"#.into()),
        ]
    }

    #[test]
    fn numbered_pieces_may_be_interleaved() {
        let pieces = [
            (Some(0), "a", "f", ""),
            (Some(1), "b", "g", ""),
            (Some(0), "", "", r#"{"x":"#),
            (Some(1), "", "", r#"{"y":2}"#),
            (Some(0), "", "", "1}"),
        ];
        assert_eq!(calls(&pieces), two());
    }

    #[test]
    fn pieces_without_a_number_go_to_the_id_or_to_the_last_call() {
        let pieces = [
            (None, "a", "f", r#"{"x":"#),
            (None, "", "", "1}"),
            (None, "b", "g", r#"{"y":"#),
            (None, "b", "g", "2}"),
        ];
        assert_eq!(calls(&pieces), two());
    }

    #[test]
    fn whole_calls_under_one_number_are_told_apart_by_their_ids() {
        let pieces = [
            (Some(0), "a", "f", r#"{"x":1}"#),
            (Some(0), "b", "g", r#"{"y":2}"#),
        ];
        assert_eq!(calls(&pieces), two());
    }

    #[test]
    fn an_id_and_a_name_in_every_piece_begin_one_call() {
        let pieces = [
            (Some(0), "a", "f", ""),
            (Some(0), "a", "f", r#"{"x":"#),
            (Some(0), "a", "f", "1}"),
        ];
        assert_eq!(calls(&pieces), two()[..1]);
    }

    #[test]
    fn a_call_without_an_id_gets_one() {
        let made = calls(&[(None, "", "f", "{}"), (None, "", "g", "{}")]);
        assert_eq!(
            (made[0].0.as_str(), made[1].0.as_str()),
            ("call_0_chatcmpl1", "call_1_chatcmpl1")
        );
    }
}
