//! The provisioning API.
use crate::Control;
use std::sync::Arc;
/// The API.
pub fn router(_control: Arc<Control>) -> axum::Router {
    axum::Router::new()
}
