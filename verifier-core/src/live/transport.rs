//! gRPC over containerd's unix socket: one HTTP/2 connection, blocking calls, each with an end.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::client::Grpc;
use tower_service::Service;

use super::codec::Protobuf;
use super::{Limits, LiveError};

/// One message of an answer. containerd sends no larger ones than 16 MiB unless its configuration says so.
const MESSAGE_BYTES: usize = 64 << 20;
/// One list, however many messages carry it: a hundred thousand blobs have about 100 MB at most.
const LIST_BYTES: usize = 1 << 30;

/// What one call is: its method, its namespace and how long it may take.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) namespace: Option<&'a str>,
    /// The lease that what the call makes belongs to.
    pub(super) lease: Option<&'a str>,
    pub(super) limit: Duration,
}

/// A connection that is made again when containerd was restarted between two calls. A call itself is never repeated.
pub(super) struct Transport {
    socket: PathBuf,
    connect_limit: Duration,
    sender: Mutex<SendRequest<Body>>,
    // Last: what the connection runs on goes after it.
    runtime: Runtime,
}

impl Transport {
    pub(super) fn connect(socket: &Path, limits: &Limits) -> Result<Transport, LiveError> {
        let failed = |source| LiveError::Connect { socket: socket.to_owned(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let sender = runtime.block_on(open(socket, limits.connect))?;
        Ok(Transport {
            socket: socket.to_owned(),
            connect_limit: limits.connect,
            sender: Mutex::new(sender),
            runtime,
        })
    }

    /// One request, one answer.
    pub(super) fn unary<Q, A>(&self, call: Call<'_>, request: Q) -> Result<A, LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.bounded(call, async {
            let mut grpc = self.grpc().await?;
            let (request, path) = prepare(call, request)?;
            ready(&mut grpc, call).await?;
            let answer = grpc.unary(request, path, Protobuf::<Q, A>::new()).await;
            answer
                .map(tonic::Response::into_inner)
                .map_err(|status| LiveError::from_status(call.method, &status))
        })
    }

    /// One request, many answers, each shown to `take`.
    pub(super) fn list<Q, A>(
        &self,
        call: Call<'_>,
        request: Q,
        mut take: impl FnMut(A),
    ) -> Result<(), LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.bounded(call, async {
            let mut grpc = self.grpc().await?;
            let (request, path) = prepare(call, request)?;
            ready(&mut grpc, call).await?;
            let refused = |status: tonic::Status| LiveError::from_status(call.method, &status);
            let answer = grpc.server_streaming(request, path, Protobuf::<Q, A>::new()).await;
            let mut answers = answer.map_err(refused)?.into_inner();
            let mut left_bytes = LIST_BYTES;
            while let Some(answer) = answers.message().await.map_err(refused)? {
                // An empty message costs something as well.
                let Some(rest) = left_bytes.checked_sub(answer.encoded_len().max(64)) else {
                    return Err(LiveError::TooLarge { method: call.method, limit_bytes: LIST_BYTES });
                };
                left_bytes = rest;
                take(answer);
            }
            Ok(())
        })
    }

    fn bounded<T>(
        &self,
        call: Call<'_>,
        work: impl Future<Output = Result<T, LiveError>>,
    ) -> Result<T, LiveError> {
        let late = || LiveError::Timeout { method: call.method, limit: call.limit };
        self.runtime.block_on(async { timeout(call.limit, work).await.unwrap_or_else(|_| Err(late())) })
    }

    async fn grpc(&self) -> Result<Grpc<Connection>, LiveError> {
        let mut sender = self.sender().clone();
        if sender.is_closed() {
            sender = open(&self.socket, self.connect_limit).await?;
            *self.sender() = sender.clone();
        }
        let grpc = Grpc::with_origin(Connection(sender), Uri::from_static("http://localhost"));
        Ok(grpc.max_decoding_message_size(MESSAGE_BYTES))
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, SendRequest<Body>> {
        self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("socket", &self.socket).finish_non_exhaustive()
    }
}

async fn open(socket: &Path, limit: Duration) -> Result<SendRequest<Body>, LiveError> {
    let failed = |source| LiveError::Connect { socket: socket.to_owned(), source };
    let shake = async {
        let stream = UnixStream::connect(socket).await.map_err(failed)?;
        let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        shaken.map_err(|why| failed(std::io::Error::other(why)))
    };
    let late = |_| LiveError::Timeout { method: "connect", limit };
    let (sender, connection) = timeout(limit, shake).await.map_err(late)??;
    // Why a connection ended is told by the calls on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn ready(grpc: &mut Grpc<Connection>, call: Call<'_>) -> Result<(), LiveError> {
    let gone = |why: hyper::Error| tonic::Status::unavailable(why.to_string());
    grpc.ready().await.map_err(|why| LiveError::from_status(call.method, &gone(why)))
}

/// The request with its headers: `containerd-namespace` (pkg/namespaces/grpc.go), `containerd-lease` (pkg/leases/grpc.go).
fn prepare<Q>(call: Call<'_>, request: Q) -> Result<(tonic::Request<Q>, PathAndQuery), LiveError> {
    let mut request = tonic::Request::new(request);
    // containerd gives up as well then, instead of going on with what nobody waits for.
    request.set_timeout(call.limit);
    let headers = [("containerd-namespace", call.namespace), ("containerd-lease", call.lease)];
    for (name, value) in headers {
        let Some(value) = value else { continue };
        let parsed = value.parse().map_err(|_| LiveError::Namespace(value.to_owned()))?;
        request.metadata_mut().insert(name, parsed);
    }
    Ok((request, PathAndQuery::from_static(call.method)))
}

/// hyper's connection as tonic wants it.
struct Connection(SendRequest<Body>);

type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        Box::pin(self.0.send_request(request))
    }
}
