//! Names that things had before: what `renamed-from` says, so that a new name destroys nothing.

use serde::{Deserialize, Serialize};

/// A thing that is said to have had another name before.
///
/// Renames stand in lists of their own instead of in each thing, since hardly any of a million mailboxes has one, and since
/// some renamed things (a cluster, a workgroup) are no entry of a Blueprint but only a name in others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rename {
    /// What kind of thing, as [`crate::changes::Change::kind`] says it, or `cluster`, `storage`, `workgroup`.
    pub kind: String,
    /// Its name before: addresses by their key, brands as `RESELLER/BRAND`, storages as `SITE/STORAGE`, workgroups as
    /// `DOMAIN/WORKGROUP`.
    pub from: String,
    /// Its name now, in the same form.
    pub to: String,
}
