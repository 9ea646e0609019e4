//! Listens, accepts, and hands each request to `route`. One thread: the server is meant to fit on a core
//! of its own beside the program under test.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::app::App;
use crate::connection::{Connection, Socket};
use crate::inbound::Inbound;
use crate::journal::{Exchange, Seen};
use crate::options::Options;
use crate::provider::{anthropic, gemini, openai};
use crate::reply::{Outcome, Reply, ScriptBody};
use crate::{bench, route};

/// The largest request body that is read.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Serves until a signal, or until stdin closes where that was asked for.
pub fn run(options: Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::new(options.host, options.port)).await?;
    let app = Arc::new(App::new(&options));
    let stop = stop_signal(options.exit_with_stdin)?;
    announce(listener.local_addr()?)?;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(converse(Arc::clone(&app), stream));
                }
                // Out of file descriptors, or the peer left already: the next accept may work.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
        }
    }
}

/// The one line that says where the server is.
fn announce(address: SocketAddr) -> io::Result<()> {
    let line = json!({
        "port": address.port(),
        "origin": format!("http://{address}"),
        "openaiKey": openai::PRACTICE_KEY,
        "anthropicKey": anthropic::PRACTICE_KEY,
        "geminiKey": gemini::PRACTICE_KEY,
    });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn stop_signal(exit_with_stdin: bool) -> io::Result<impl Future<Output = ()>> {
    let stdin_closed = Arc::new(Notify::new());
    if exit_with_stdin {
        let notify = Arc::clone(&stdin_closed);
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let mut ignored = [0; 256];
                while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
                notify.notify_one();
            })?;
    }
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        let terminated = async move { terminate.recv().await };
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated => {}
            () = stdin_closed.notified() => {}
        }
    })
}

async fn converse(app: Arc<App>, stream: TcpStream) {
    // Without it small chunks wait for each other; where it fails they are only slower.
    let _ = stream.set_nodelay(true);
    let connection = app.connections.accept();
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&connection)));
    let builder = auto::Builder::new(TokioExecutor::new());
    let service = service_fn(|request| respond(Arc::clone(&app), Arc::clone(&connection), request));
    let serving = builder.serve_connection(socket, service);
    tokio::select! {
        // A peer that breaks off is an ordinary end here; the journal has it.
        _ = serving => {}
        () = connection.ended() => {}
    }
    app.connections.forget(connection.id);
}

async fn respond(
    app: Arc<App>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ScriptBody>, Infallible> {
    connection.count_request();
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let reply = Reply::whole(413, "text/plain", "The request body is over 64 MiB.");
            return Ok(play(reply, Exchange::unrecorded(), connection));
        }
        // The peer is gone in the middle of its request.
        Err(_) => std::future::pending().await,
    };
    if bench::is_bench(head.uri.path()) {
        let reply = app.bench.reply(head.uri.path(), &body);
        return Ok(play(reply, Exchange::unrecorded(), connection));
    }
    let inbound = Inbound {
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        method: head.method.clone(),
        headers: head.headers.clone(),
        body: body.clone(),
    };
    let mut exchange = if inbound.path.starts_with("/control/") {
        Exchange::unrecorded()
    } else {
        app.journal.open(Seen {
            connection: connection.id,
            protocol: format!("{:?}", head.version),
            method: head.method.to_string(),
            target: target.to_owned(),
            headers: head.headers,
            body,
        })
    };
    match route::outcome(&app, &inbound) {
        Outcome::Reply(reply) => Ok(play(reply, exchange, connection)),
        Outcome::Cut(ending) => {
            exchange.finish();
            connection.end(ending);
            std::future::pending().await
        }
        Outcome::Never => {
            exchange.stall();
            std::future::pending().await
        }
    }
}

fn play(reply: Reply, exchange: Exchange, connection: Arc<Connection>) -> Response<ScriptBody> {
    let mut response = Response::new(ScriptBody::new(reply.steps, exchange, connection));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}
