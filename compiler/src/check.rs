//! What is wrong with a specification whose parts are all right: one rule a file.

pub mod confusable;
pub mod svg;

use blueprint::Blueprint;
use spec::model::Environment;

use crate::report::Report;
use crate::resolve::Model;

/// Checks what holds in every environment.
pub fn everywhere(_model: &Model<'_>, _report: &mut Report) {}

/// Checks what an environment changes.
pub fn environment(_model: &Model<'_>, _environment: &Environment, _report: &mut Report) {}

/// Checks what the hosts of an environment are called.
pub fn hosts(_model: &Model<'_>, _environment: &Environment, _blueprint: &Blueprint, _report: &mut Report) {}
