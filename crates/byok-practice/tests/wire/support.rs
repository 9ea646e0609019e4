//! A real practice server in a child process, and a raw HTTP/1.1 client that tells a whole body from a
//! broken one and a FIN from an RST.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Server {
    child: Child,
    _stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub ready: Value,
}

impl Server {
    pub fn start() -> Server {
        Server::with(&[])
    }

    pub fn with(flags: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_byok-practice"))
            .arg("--exit-with-stdin")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Server {
            child,
            _stdin: stdin,
            stdout,
            ready: serde_json::from_str(&line).unwrap(),
        }
    }

    pub fn port(&self) -> u16 {
        self.ready["port"].as_u64().unwrap() as u16
    }

    pub fn key(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// The next line of stdout after the ready line.
    pub fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Closes the child's stdin and waits for its end.
    pub fn exit_code_after_stdin_closes(mut self) -> Option<i32> {
        self._stdin = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Opens a connection and sends one request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Exchange {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: practice\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        Exchange { stream }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").answer()
    }

    pub fn openai(&self, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key("openaiKey"));
        self.send(
            "POST",
            path,
            &[("authorization", &bearer)],
            &body.to_string(),
        )
        .answer()
    }

    pub fn anthropic(&self, path: &str, body: &Value) -> Answer {
        let headers = [
            ("x-api-key", self.key("anthropicKey")),
            ("anthropic-version", "2023-06-01"),
        ];
        self.send("POST", path, &headers, &body.to_string())
            .answer()
    }

    pub fn gemini(&self, path: &str, body: &Value) -> Answer {
        let headers = [("x-goog-api-key", self.key("geminiKey"))];
        self.send("POST", path, &headers, &body.to_string())
            .answer()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection on which a request was sent.
pub struct Exchange {
    pub stream: TcpStream,
}

/// How a body came to its end.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum End {
    /// At its length, or with the last chunk.
    Whole,
    /// By FIN, before its end.
    Closed,
    Reset,
    /// Nothing came for as long as the client waits.
    Silent,
}

#[derive(Debug)]
pub struct Answer {
    /// 0 when no head came.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// One entry a chunk; a body with a length is one entry.
    pub chunks: Vec<Vec<u8>>,
    pub end: End,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The JSON payloads of an event stream.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

impl Exchange {
    pub fn wait_at_most(self, duration: Duration) -> Exchange {
        self.stream.set_read_timeout(Some(duration)).unwrap();
        self
    }

    /// Reads the response to its end, whatever end that is.
    pub fn answer(self) -> Answer {
        let mut reader = BufReader::new(self.stream);
        let mut answer = Answer {
            status: 0,
            headers: vec![],
            chunks: vec![],
            end: End::Whole,
        };
        answer.end = match read_answer(&mut reader, &mut answer) {
            Ok(()) => End::Whole,
            Err(error) => match error.kind() {
                ErrorKind::UnexpectedEof => End::Closed,
                ErrorKind::ConnectionReset => End::Reset,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Silent,
                kind => panic!("{kind:?}: {error}"),
            },
        };
        answer
    }
}

fn read_answer(reader: &mut impl BufRead, answer: &mut Answer) -> std::io::Result<()> {
    let line = read_line(reader)?;
    answer.status = line.split(' ').nth(1).unwrap().parse().unwrap();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        answer.headers.push((name.to_owned(), value.to_owned()));
    }
    if let Some(length) = answer.header("content-length") {
        let length = length.parse().unwrap();
        answer.chunks.push(Vec::new());
        return read_exactly(reader, length, answer);
    }
    loop {
        let size = usize::from_str_radix(&read_line(reader)?, 16).unwrap();
        if size == 0 {
            read_line(reader)?;
            return Ok(());
        }
        answer.chunks.push(Vec::new());
        read_exactly(reader, size, answer)?;
        read_line(reader)?;
    }
}

/// Reads into the last chunk, keeping what came before a failure.
fn read_exactly(
    reader: &mut impl BufRead,
    size: usize,
    answer: &mut Answer,
) -> std::io::Result<()> {
    let chunk = answer.chunks.last_mut().unwrap();
    while chunk.len() < size {
        let mut part = vec![0; (size - chunk.len()).min(64 << 10)];
        let count = reader.read(&mut part)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        chunk.extend_from_slice(&part[..count]);
    }
    Ok(())
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
