//! The API and the console as one service, told apart by their paths.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;

use crate::{Control, Remote};

/// A request that is not answered by then is given up.
const LONGEST: Duration = Duration::from_secs(60);

/// In which header a trusted proxy says where a request comes from.
const FROM: &str = "x-real-ip";

struct Services {
    control: Arc<Control>,
    api: Router,
    console: Router,
    trusted: Vec<IpAddr>,
}

/// Returns the service: methods of the API below `/api`, `/health` for who asks whether it works, the console elsewhere.
pub(super) fn service(
    control: Arc<Control>,
    trusted: Vec<IpAddr>,
) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    router(control, trusted).into_make_service_with_connect_info::<SocketAddr>()
}

fn router(control: Arc<Control>, trusted: Vec<IpAddr>) -> Router {
    let (api, console) = (crate::router(Arc::clone(&control)), crate::console::router(Arc::clone(&control)));
    let services = Arc::new(Services { control, api, console, trusted });
    Router::new().fallback(dispatch).layer(middleware::from_fn(in_time)).with_state(services)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    }
}

async fn dispatch(
    State(services): State<Arc<Services>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let remote = remote(peer.ip(), request.headers(), &services.trusted);
    request.extensions_mut().insert(Remote(remote));
    if request.uri().path() == "/health" {
        return match services.control.directory.answers().await {
            true => "ok\n".into_response(),
            false => (StatusCode::SERVICE_UNAVAILABLE, "the directory does not answer\n").into_response(),
        };
    }
    let service = match crate::oma::answers_at(request.uri().path()) {
        true => services.api.clone(),
        false => services.console.clone(),
    };
    service.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Returns where a request comes from: what a trusted proxy says, else who is connected.
fn remote(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let said = headers.get(FROM).filter(|_| trusted.contains(&peer));
    said.and_then(|said| said.to_str().ok()?.trim().parse().ok()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        let (proxy, client): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(FROM, "192.0.2.7".parse().unwrap());
        assert_eq!(remote(proxy, &headers, &[proxy]), client);
        assert_eq!(remote(proxy, &headers, &[]), proxy);
        headers.insert(FROM, "nonsense".parse().unwrap());
        assert_eq!(remote(proxy, &headers, &[proxy]), proxy);
        assert_eq!(remote(proxy, &HeaderMap::new(), &[proxy]), proxy);
    }
}
