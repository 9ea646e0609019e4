//! Open connections: who they are, and how the server ends one on purpose, by FIN or by RST. `Socket`
//! is the TCP stream given to hyper; dropping it is what closes the connection.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::journal::now_ms;
use crate::reply::Ending;

/// One accepted connection.
pub struct Connection {
    pub id: u64,
    opened_at_ms: f64,
    requests: AtomicU64,
    ending: OnceLock<Ending>,
    ended: Notify,
    unsent: AtomicBool,
}

impl Connection {
    /// Ends the connection, whatever hyper is doing with it.
    pub fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_ok() {
            self.ended.notify_one();
        }
    }

    /// Completes once `end` was called.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Whether bytes still wait for the peer to read.
    pub fn has_unsent(&self) -> bool {
        self.unsent.load(Ordering::Relaxed)
    }

    pub fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// The connections that are open now.
#[derive(Default)]
pub struct Connections {
    accepted: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

impl Connections {
    pub fn accept(&self) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            id: self.accepted.fetch_add(1, Ordering::Relaxed) + 1,
            opened_at_ms: now_ms(),
            requests: AtomicU64::new(0),
            ending: OnceLock::new(),
            ended: Notify::new(),
            unsent: AtomicBool::new(false),
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(connection.id, Arc::clone(&connection));
        connection
    }

    pub fn forget(&self, id: u64) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    /// Count and list of open connections, the asking one among them.
    pub fn to_json(&self) -> Value {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = open.values().collect();
        list.sort_by_key(|connection| connection.id);
        let list: Vec<Value> = list
            .into_iter()
            .map(|connection| {
                json!({
                    "id": connection.id,
                    "openedAtMs": connection.opened_at_ms,
                    "requests": connection.requests.load(Ordering::Relaxed),
                })
            })
            .collect();
        json!({
            "open": list.len(),
            "accepted": self.accepted.load(Ordering::Relaxed),
            "connections": list,
        })
    }
}

/// A TCP stream that leaves with RST when its connection was ended so.
pub struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Socket {
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Socket { stream, connection }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.ending.get() == Some(&Ending::Reset) {
            // Where the option is refused the peer still sees the connection end.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes the socket once its own buffer is empty.
        self.connection.unsent.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
