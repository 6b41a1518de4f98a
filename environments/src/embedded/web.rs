//! Web doors: HTTP/1.1 over TLS in front of the control plane, with limits on time and size.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt;

use super::connection::secure;

/// A client that has not sent its request's header by then is gone; so is one that keeps a connection without using it.
const HEADER: Duration = Duration::from_secs(20);

/// A request that is not answered by then is given up.
const REQUEST: Duration = Duration::from_secs(60);

/// The largest header that is taken, in bytes.
const HEADER_BYTES: usize = 64 * 1024;

/// The largest body that is taken, in bytes; the API's bulk calls stay well below it.
const BODY_BYTES: usize = 8 << 20;

/// Puts a limit on the bodies that a service takes.
pub(crate) fn limited(service: Router) -> Router {
    service.layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES))
}

/// Serves one client until either side is done.
///
/// - Errors: what went wrong, for the log.
pub(crate) async fn serve(
    stream: TcpStream,
    tls: Option<&Arc<rustls::ServerConfig>>,
    remote: IpAddr,
    service: Router,
) -> Result<(), String> {
    match tls {
        Some(server) => {
            let stream = secure(server, stream).await?;
            serve_http(TokioIo::new(stream), remote, service).await
        }
        None => serve_http(TokioIo::new(stream), remote, service).await,
    }
}

async fn serve_http(
    stream: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    remote: IpAddr,
    service: Router,
) -> Result<(), String> {
    let respond = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(control::Remote(remote));
        let service = service.clone();
        async move {
            let answered = timeout(REQUEST, service.oneshot(request.map(axum::body::Body::new))).await;
            answered.unwrap_or_else(|_| {
                let mut late = Response::new(axum::body::Body::from("the request took too long\n"));
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                Ok(late)
            })
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(stream, respond)
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn exchange(request: &[u8]) -> String {
        let remote =
            |Extension(control::Remote(address)): Extension<control::Remote>| async move { address.to_string() };
        let service = Router::new().route("/", get(remote)).route("/", post(|body: String| async move { body }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let served = tokio::spawn(serve(stream, None, peer.ip(), limited(service)));
        let (mut read, mut write) = client.split();
        let mut answer = Vec::new();
        // The server may refuse before it has read everything.
        let (sent, received) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
        let _ = (sent, received, served.await);
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_request_is_answered_and_knows_where_it_came_from() {
        let answer = exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    }

    #[tokio::test]
    async fn a_header_without_end_is_refused() {
        let mut request = b"GET / HTTP/1.1\r\nX: ".to_vec();
        request.resize(HEADER_BYTES * 2, b'x');
        let answer = exchange(&request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            BODY_BYTES + 1
        )
        .into_bytes();
        request.resize(request.len() + BODY_BYTES + 1, b'x');
        let answer = exchange(&request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
}
