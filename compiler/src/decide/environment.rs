//! What an environment changes: how many nodes there are, what hosts are called, which accounts exist.

use blueprint::Role;
use spec::Span;
use spec::model::{AccountsWord, Cluster, Environment, InternetMode, ScaleWord};
use values::{HostName, Name};

use crate::resolve::Model;

/// Returns the language's word for a role.
pub fn spec_role(role: Role) -> spec::model::Role {
    use spec::model::Role as Spec;
    match role {
        Role::Balancer => Spec::Balancer,
        Role::Mx => Spec::Mx,
        Role::Defense => Spec::Defense,
        Role::Cache => Spec::Cache,
        Role::Submission => Spec::Submission,
        Role::Outbound => Spec::Outbound,
        Role::Store => Spec::Store,
        Role::Access => Spec::Access,
        Role::Web => Spec::Web,
        Role::Control => Spec::Control,
        Role::Directory => Spec::Directory,
        Role::Calendar => Spec::Calendar,
        Role::Dns => Spec::Dns,
        Role::Monitor => Spec::Monitor,
    }
}

/// Returns how many nodes of a role a cluster has in an environment: never none of what the platform has some of.
pub fn count(environment: &Environment, cluster: &Cluster, role: Role) -> u32 {
    let role = spec_role(role);
    let Some(asked) = cluster.role(role) else { return 0 };
    let word =
        environment.scales.iter().find_map(|scale| scale.word.as_ref()).map_or(ScaleWord::Full, |word| word.value);
    let several = match word {
        ScaleWord::Smallest => 1,
        ScaleWord::Paired => asked.count.value.min(2),
        ScaleWord::Full => asked.count.value,
    };
    // What is said for the cluster stands before what is said for all of them.
    let said = |named: bool| {
        environment
            .scales
            .iter()
            .filter(|scale| scale.cluster.as_ref().is_some_and(|name| name.value == cluster.name.value) == named)
            .filter(|scale| named || scale.cluster.is_none())
            .find_map(|scale| scale.role(role))
            .map(|count| count.value)
    };
    let count = said(true).or_else(|| said(false)).unwrap_or(several);
    u32::try_from(count.clamp(1, 1000)).unwrap_or(1)
}

/// Returns the place where an environment says how many nodes of a role a cluster has; `None` where it says nothing.
pub fn count_place(environment: &Environment, cluster: &Cluster, role: Role) -> Option<Span> {
    let role = spec_role(role);
    let scales = || environment.scales.iter();
    let named = scales().filter(|scale| scale.cluster.as_ref().is_some_and(|name| name.value == cluster.name.value));
    let count = named.chain(scales().filter(|scale| scale.cluster.is_none())).find_map(|scale| scale.role(role));
    let word = scales().find_map(|scale| scale.word.as_ref());
    count.map(|count| count.span).or(word.map(|word| word.span))
}

/// Returns the domain below which the operator's hosts are called in an environment.
pub fn service_domain(model: &Model<'_>, environment: &Environment) -> HostName {
    match &environment.suffix {
        Some(suffix) => suffix.value.clone(),
        None => model.platform.service_domain.value.clone(),
    }
}

/// Returns an operator's host name as it is called in an environment; names outside the service domain stay.
pub fn rehost(model: &Model<'_>, environment: &Environment, host: &HostName) -> HostName {
    let old = &model.platform.service_domain.value;
    let (Some(suffix), true) = (&environment.suffix, host.is_within(old)) else { return host.clone() };
    let labels = host.as_str().strip_suffix(old.as_str()).unwrap_or_default().trim_end_matches('.');
    match labels {
        "" => suffix.value.clone(),
        labels => suffix.value.below(labels).unwrap_or_else(|_| host.clone()),
    }
}

/// Tells whether an environment is production: real mail of real people.
///
/// It is where it says `internet "real"`; where it says nothing, it is if it is promoted from another environment and none
/// is promoted from it. A simulated internet is never production. The backend has no say.
pub fn is_production(model: &Model<'_>, environment: &Environment) -> bool {
    match &environment.internet {
        Some(internet) => internet.mode.value == InternetMode::Real,
        None => environment.from.is_some() && !is_promoted(model, &environment.name.value),
    }
}

/// Tells whether another environment is promoted from one.
pub fn is_promoted(model: &Model<'_>, name: &Name) -> bool {
    model.environments.values().any(|other| other.from.as_ref().is_some_and(|from| from.value == *name))
}

/// Returns how many mailboxes of each domain exist in an environment; `None` for all of them.
pub fn mailboxes_of_each_domain(environment: &Environment) -> Option<usize> {
    let accounts = environment.accounts.as_ref()?;
    if accounts.which.as_ref().is_some_and(|word| word.value == AccountsWord::None) {
        return Some(0);
    }
    accounts.sample.as_ref().map(|sample| usize::try_from(sample.value).unwrap_or(usize::MAX))
}
