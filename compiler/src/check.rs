//! What is wrong with a specification whose parts are all right: one rule a file.
//!
//! Each rule says what is wrong in the user's words, what to write instead, and shows the line that forbids it.

mod addresses;
mod admins;
mod brand;
mod capacity;
mod certificates;
pub mod confusable;
mod contract;
mod defense;
mod domains;
mod environment;
mod filters;
mod host_names;
mod networks;
mod operator_names;
pub(crate) mod proof;
mod published;
mod renames;
mod scenarios;
mod signing;
pub mod svg;
mod tiers;

use blueprint::Blueprint;
use spec::model::Environment;

use crate::report::Report;
use crate::resolve::Model;

/// Checks what holds in every environment.
pub(crate) fn everywhere(model: &Model<'_>, report: &mut Report) {
    networks::check(model, report);
    capacity::check(model, report);
    defense::check(model, report);
    tiers::check(model, report);
    filters::check(model, report);
    domains::check(model, report);
    contract::check(model, report);
    proof::check(model, report);
    admins::check(model, report);
    brand::check(model, report);
    host_names::brands(model, report);
    addresses::check(model, report);
    scenarios::check(model, report);
    renames::check(model, report);
    operator_names::check(model, report);
    signing::check(model, report);
    published::check(model, report);
    certificates::check(model, report);
}

/// Checks what an environment changes.
pub(crate) fn environment(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    self::environment::check(model, environment, report);
    host_names::suffix(model, environment, report);
    host_names::operator(model, environment, report);
    proof::environment(model, environment, report);
}

/// Checks what the addresses of an environment make of what is published.
pub(crate) fn published(model: &Model<'_>, blueprint: &Blueprint, report: &mut Report) {
    published::senders(model, blueprint, report);
}
