//! A server that does what a script says, byte for byte, misbehaviour included: each connection it
//! accepts runs the script for its number.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub enum Step {
    /// Reads one request with its body.
    Read,
    Write(Vec<u8>),
    /// Writes byte by byte, each in a packet of its own.
    Drip(Vec<u8>),
    /// Writes this many bytes, for as long as the client takes them.
    Flood(usize),
    Pause(Duration),
    /// Closes with a TCP reset.
    Reset,
    /// Says nothing until the client closes.
    Hold,
}

/// Closes its port and its connections when dropped.
pub struct Server {
    pub address: SocketAddr,
    log: Arc<Log>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    flooded: AtomicUsize,
    left: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// `script` gives the steps of connection number n, from 0; after them it is closed.
    pub async fn start(script: impl Fn(usize) -> Vec<Step> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let shared = log.clone();
        let accepting = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                running.spawn(run(stream, script(number), shared.clone()));
            }
        });
        Server {
            address,
            log,
            accepting,
        }
    }

    /// Answers every request of every connection with the same bytes.
    pub async fn always(bytes: Vec<u8>) -> Server {
        Server::start(move |_| {
            (0..50)
                .flat_map(|_| [Step::Read, Step::Write(bytes.clone())])
                .collect()
        })
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests, in order.
    pub fn requests(&self) -> Vec<String> {
        self.log.requests.lock().unwrap().clone()
    }

    /// How many bytes of a flood the client's side took.
    pub fn flooded(&self) -> usize {
        self.log.flooded.load(Ordering::SeqCst)
    }

    /// Waits until `count` held connections were closed by the client. The bound is only there to
    /// end a failing test.
    pub async fn left_by(&self, count: usize) {
        let waiting = async {
            while self.log.left.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .expect("the client should have closed its connection");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn run(mut stream: TcpStream, script: Vec<Step>, log: Arc<Log>) {
    stream.set_nodelay(true).unwrap();
    for step in script {
        let going_on = match step {
            Step::Read => read(&mut stream, &log).await,
            Step::Write(bytes) => stream.write_all(&bytes).await.is_ok(),
            Step::Drip(bytes) => drip(&mut stream, &bytes).await,
            Step::Flood(bytes) => flood(&mut stream, bytes, &log).await,
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                true
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                false
            }
            Step::Hold => {
                let mut rest = Vec::new();
                let _reset_or_end = stream.read_to_end(&mut rest).await;
                log.left.fetch_add(1, Ordering::SeqCst);
                false
            }
        };
        if !going_on {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, log: &Log) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return false;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| {
            rest.split("\r\n").next().unwrap().parse().unwrap()
        });
    let mut body = vec![0; length];
    let whole = stream.read_exact(&mut body).await.is_ok();
    log.requests.lock().unwrap().push(head);
    whole
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

async fn flood(stream: &mut TcpStream, bytes: usize, log: &Log) -> bool {
    let block = [b'a'; 16 << 10];
    let mut left = bytes;
    while left > 0 {
        let size = left.min(block.len());
        if stream.write_all(&block[..size]).await.is_err() {
            return false;
        }
        log.flooded.fetch_add(size, Ordering::SeqCst);
        left -= size;
    }
    true
}

/// A whole answer with a content length. `head` is the status and further headers, one a line.
pub fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = head.trim().replace('\n', "\r\n");
    let mut bytes =
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The head of an answer whose body ends with the connection.
pub fn open_answer() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec()
}
