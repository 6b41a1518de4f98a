//! The reseller interface.
use crate::Control;
use std::sync::Arc;
/// Sessions.
#[derive(Default)]
pub struct Sessions {}
/// The console.
pub fn router(_control: Arc<Control>) -> axum::Router {
    axum::Router::new()
}
