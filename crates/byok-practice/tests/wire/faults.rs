//! Every fault, seen from the other end of a real connection.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::{Answer, End, Exchange, Server};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

fn body(stream: bool) -> Value {
    json!({ "model": "m", "input": "Capital of France?", "stream": stream })
}

fn open(server: &Server, fault: &str, stream: bool) -> Exchange {
    let bearer = format!("Bearer {}", server.key("openaiKey"));
    let path = format!("/fault/{fault}/openai/v1/responses");
    server.send(
        "POST",
        &path,
        &[("authorization", &bearer)],
        &body(stream).to_string(),
    )
}

fn ask(server: &Server, fault: &str, stream: bool) -> Answer {
    open(server, fault, stream).answer()
}

#[test]
fn reset_and_close_come_before_any_response() {
    let server = Server::start();
    for (fault, end) in [("reset", End::Reset), ("close", End::Closed)] {
        let answer = ask(&server, fault, false);
        assert_eq!((answer.status, answer.end), (0, end), "{fault}");
    }
}

#[test]
fn a_reset_in_the_middle_comes_after_half_of_the_stream() {
    let server = Server::start();
    for stream in [true, false] {
        let answer = ask(&server, "reset-mid", stream);
        assert_eq!((answer.status, answer.end), (200, End::Reset));
        assert!(!answer.body().is_empty());
    }
}

#[test]
fn a_close_in_the_middle_breaks_chunked_bodies_and_bodies_with_a_length() {
    let server = Server::start();
    let whole = ask(&server, "chunk,100000", false);
    for stream in [true, false] {
        let answer = ask(&server, "close-mid", stream);
        assert_eq!((answer.status, answer.end), (200, End::Closed));
        assert_eq!(answer.header("content-length").is_some(), !stream);
        assert!(!answer.body().is_empty() && !answer.text().contains("response.completed"));
    }
    let half = ask(&server, "close-mid", false).body().len();
    assert!(
        (whole.body().len() / 2 - 2..whole.body().len()).contains(&half),
        "{half}"
    );
}

#[test]
fn stalls_are_silent_and_the_server_knows_when_the_peer_gives_up() {
    let mut server = Server::with(&["--stall-close-report"]);
    for (fault, status) in [("stall", 0), ("stall-mid", 200)] {
        let waiting = open(&server, fault, true).wait_at_most(Duration::from_millis(150));
        let kept = waiting.stream.try_clone().unwrap();
        let answer = waiting.answer();
        assert_eq!((answer.status, answer.end), (status, End::Silent));
        let stalled = |server: &Server| {
            let stalled = server.get("/control/connections").json()["stalled"].clone();
            stalled.as_array().unwrap().last().unwrap().clone()
        };
        assert_eq!(stalled(&server)["peerClosed"], false);
        drop(kept);
        let closed_at = Instant::now();
        while stalled(&server)["peerClosed"] == false {
            assert!(closed_at.elapsed() < Duration::from_millis(1000), "{fault}");
        }
        let report = server.line();
        assert!(
            report["peerClosed"]["path"]
                .as_str()
                .unwrap()
                .contains(fault)
        );
    }
}

#[test]
fn slow_sends_few_bytes_at_a_time() {
    let server = Server::start();
    let start = Instant::now();
    let answer = ask(&server, "slow,200,10", true);
    let pieces = answer.chunks.len();
    assert!(start.elapsed() >= Duration::from_millis(10) * pieces as u32);
    assert!(pieces > 10 && answer.chunks.iter().all(|chunk| chunk.len() <= 200));
    assert_eq!(answer.end, End::Whole);
}

#[test]
fn chunk_cuts_the_same_bytes_elsewhere() {
    let server = Server::start();
    let answer = ask(&server, "chunk,7", true);
    assert!(
        answer
            .chunks
            .iter()
            .rev()
            .skip(1)
            .all(|chunk| chunk.len() == 7)
    );
    assert_eq!(
        answer.events().last().unwrap()["type"],
        "response.completed"
    );
}

#[test]
fn the_content_type_can_be_wrong() {
    let answer = ask(&Server::start(), "content-type,text%2Fhtml", false);
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(answer.json()["status"], "completed");
}

#[test]
fn truncated_json_is_whole_http_and_half_json() {
    let server = Server::start();
    let whole = ask(&server, "truncated-json", false);
    assert_eq!(whole.end, End::Whole);
    assert!(serde_json::from_slice::<Value>(&whole.body()).is_err());
    let stream = ask(&server, "truncated-json", true);
    assert_eq!(stream.end, End::Whole);
    let text = stream.text();
    let last = text
        .trim_end()
        .lines()
        .last()
        .unwrap()
        .strip_prefix("data: ")
        .unwrap();
    assert!(serde_json::from_str::<Value>(last).is_err());
}

#[test]
fn invalid_utf8_reaches_the_text_in_all_three_protocols() {
    let server = Server::start();
    let message = json!([{ "role": "user", "content": "Hello" }]);
    for stream in [true, false] {
        let responses = ask(&server, "invalid-utf8", stream);
        let chat = server.openai(
            "/fault/invalid-utf8/openai/v1/chat/completions",
            &json!({ "model": "m", "messages": message, "stream": stream }),
        );
        let anthropic = server.anthropic(
            "/fault/invalid-utf8/anthropic/v1/messages",
            &json!({ "model": "m", "max_tokens": 9, "messages": message, "stream": stream }),
        );
        let method = if stream {
            "streamGenerateContent?alt=sse"
        } else {
            "generateContent"
        };
        let gemini = server.gemini(
            &format!("/fault/invalid-utf8/gemini/v1beta/models/m:{method}"),
            &json!({ "contents": [{ "parts": [{ "text": "Hello" }] }] }),
        );
        for answer in [responses, chat, anthropic, gemini] {
            assert_eq!((answer.status, answer.end), (200, End::Whole));
            assert!(String::from_utf8(answer.body()).is_err(), "{answer:?}");
        }
    }
}

#[test]
fn a_huge_body_has_its_size_and_is_json() {
    let answer = ask(&Server::start(), "huge,2", false);
    assert_eq!(answer.body().len(), (2 << 20) + 14);
    assert_eq!(answer.json()["padding"].as_str().unwrap().len(), 2 << 20);
}

#[test]
fn an_endless_line_goes_on_after_its_first_megabytes() {
    let server = Server::start();
    let mut stream = open(&server, "endless-line,1", true).stream;
    let mut count = 0;
    let mut buffer = vec![0; 64 << 10];
    while count < (1 << 20) + (64 << 10) {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0);
        count += read;
    }
    assert!(!buffer.windows(2).any(|pair| pair == b"\n\n"));
}

#[test]
fn compressed_answers_unpack_to_the_answer_and_a_bomb_to_its_size() {
    let server = Server::start();
    for stream in [true, false] {
        let answer = ask(&server, "gzip", stream);
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let mut text = String::new();
        GzDecoder::new(answer.body().as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert!(text.contains("Paris. (This") || text.contains("response.completed"));
    }
    let bomb = ask(&server, "gzip-bomb,20", false);
    assert!(bomb.body().len() < 64 << 10);
    let mut bytes = Vec::new();
    GzDecoder::new(bomb.body().as_slice())
        .read_to_end(&mut bytes)
        .unwrap();
    assert!(bytes.len() > 20 << 20);
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap()["status"],
        "completed"
    );
}

#[test]
fn a_status_comes_in_the_words_of_the_provider() {
    let server = Server::start();
    let openai = ask(&server, "status,429,0.25", false);
    assert_eq!(openai.status, 429);
    assert_eq!(openai.header("retry-after"), Some("1"));
    assert_eq!(openai.header("retry-after-ms"), Some("250"));
    assert_eq!(openai.json()["error"]["code"], "rate_limit_exceeded");
    let anthropic = server.anthropic("/fault/status,529/anthropic/v1/messages", &json!({}));
    assert_eq!(
        (anthropic.status, &anthropic.json()["error"]["type"]),
        (529, &json!("overloaded_error"))
    );
    let path = "/fault/status,429,34.5/gemini/v1beta/models/m:generateContent";
    let gemini = server.gemini(path, &json!({}));
    assert_eq!(gemini.json()["error"]["details"][1]["retryDelay"], "34.5s");
}

#[test]
fn flaky_fails_so_many_times_for_each_id() {
    let server = Server::start();
    for id in ["one", "two"] {
        let fault = format!("flaky,2,503,{id}");
        let statuses: Vec<u16> = (0..4).map(|_| ask(&server, &fault, false).status).collect();
        assert_eq!(statuses, [503, 503, 200, 200]);
    }
}

#[test]
fn a_redirect_points_where_it_was_told() {
    let answer = ask(
        &Server::start(),
        "redirect,307,http:%2F%2F127.0.0.2:9%2Fx",
        false,
    );
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, Some("http://127.0.0.2:9/x"))
    );
}

#[test]
fn an_error_in_mid_stream_has_each_providers_form() {
    let server = Server::start();
    let responses = ask(&server, "error-mid", true).events();
    let types: Vec<&Value> = responses
        .iter()
        .rev()
        .take(2)
        .map(|event| &event["type"])
        .collect();
    assert_eq!(types, ["response.failed", "error"]);
    let message = json!([{ "role": "user", "content": "Hello" }]);
    let chat = server
        .openai(
            "/fault/error-mid/openai/v1/chat/completions",
            &json!({ "model": "m", "messages": message, "stream": true }),
        )
        .events();
    assert!(chat.len() > 2 && chat.last().unwrap()["error"]["message"].is_string());
    let anthropic = server.anthropic(
        "/fault/error-mid/anthropic/v1/messages",
        &json!({ "model": "m", "max_tokens": 9, "messages": message, "stream": true }),
    );
    assert!(
        anthropic
            .text()
            .contains("event: error\ndata: {\"type\":\"error\"")
    );
    let gemini = server
        .gemini(
            "/fault/error-mid/gemini/v1beta/models/m:streamGenerateContent?alt=sse",
            &json!({ "contents": [{ "parts": [{ "text": "Hello" }] }] }),
        )
        .events();
    assert_eq!(gemini.last().unwrap()["error"]["code"], 503);
    assert_eq!(ask(&server, "error-mid", false).status, 500);
}

#[test]
fn without_its_end_mark_a_stream_ends_cleanly_but_unfinished() {
    let server = Server::start();
    let answer = ask(&server, "no-end-mark", true);
    assert_eq!(answer.end, End::Whole);
    assert_eq!(
        answer.events().last().unwrap()["type"],
        "response.output_item.done"
    );
    let message = json!([{ "role": "user", "content": "Hello" }]);
    let chat = server.openai(
        "/fault/no-end-mark/openai/v1/chat/completions",
        &json!({ "model": "m", "messages": message, "stream": true }),
    );
    assert!(!chat.text().contains("[DONE]"));
}

#[test]
fn cut_ends_after_so_many_bytes_in_three_ways() {
    let server = Server::start();
    let ends = [
        ("cut,100", End::Closed),
        ("cut,100,reset", End::Reset),
        ("cut,100,end", End::Whole),
    ];
    for (fault, end) in ends {
        for stream in [true, false] {
            let answer = ask(&server, fault, stream);
            assert_eq!(
                (answer.body().len(), answer.end),
                (100, end),
                "{fault} {stream}"
            );
        }
    }
}

#[test]
fn faults_stand_one_behind_another() {
    let server = Server::start();
    let answer = ask(&server, "chunk,5/fault/no-end-mark", true);
    assert!(answer.chunks[0].len() == 5 && !answer.text().contains("response.completed"));
    let unknown = ask(&server, "nonsense", false);
    assert_eq!(unknown.status, 404);
}
