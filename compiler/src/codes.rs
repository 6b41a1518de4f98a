//! Every code a problem can have, with the page behind it.

pub use spec::Code;

/// Returns every code of the compiler and of the readers before it, sorted.
pub fn codes() -> &'static [Code] {
    static ALL: std::sync::LazyLock<Vec<Code>> = std::sync::LazyLock::new(|| {
        let readers = [spec::CODES, spec::kdl::CODES, spec::yaml::CODES, spec::convert::CODES];
        let mut all: Vec<Code> = readers.into_iter().flatten().chain(OWN).copied().collect();
        all.sort_by_key(|code| code.code);
        all.dedup_by_key(|code| code.code);
        all
    });
    &ALL
}

const fn code(code: &'static str, explanation: &'static str) -> Code {
    Code { code, explanation }
}

/// The codes of this room and of scenarios, sorted.
const OWN: &[Code] = &[
    code(
        "build::refused-by-daemon",
        "A daemon's own checker refuses, or warns of, a file that was rendered for it; `mailwright build --verify` asks each of them \
         in the root of its node. The line shown is the one whose words stand in the rendered line, or the one that asked for the \
         node. If the value is one that the daemon cannot take, write another; if it looks right, the rendering is wrong: please \
         report it with the message.",
    ),
    code(
        "compiler::address-not-in-front",
        "An outbound pool sends from an address that no host of the platform can have: it lies outside every site's front network, \
         or it is the network's own address, its router's (the first) or its broadcast address. Choose one of the front network \
         that is free.",
    ),
    code(
        "compiler::admins-domain",
        "A reseller declares a mail domain below `.adm`. Admins sign in under `NAME.adm`, which no DNS knows: a mailbox there would have \
         an admin's address. Host the domain under the name that it really has.",
    ),
    code(
        "compiler::brand-policy",
        "A reseller's brand changes a part that the operator's `brand-policy` does not allow. Remove the part from the brand, or \
         ask the operator to allow it. Both places are shown.",
    ),
    code(
        "compiler::cannot-survive",
        "`survive hosts=N` asks that every node finds another place when N hosts are gone, and for some choice of hosts it does \
         not: cores, memory or disk run out, or two nodes of a role would share a host. Add hosts, make nodes smaller, or ask to \
         survive less.",
    ),
    code(
        "compiler::capacity",
        "The mailboxes a cluster is meant to hold, at their typical size, need more room than its stores' disks have together. \
         Add stores, give them larger disks, or lower the capacity.",
    ),
    code(
        "compiler::certificate-authority",
        "The directory of the ACME authority is written with an address or a single label. The platform publishes who may issue \
         certificates for its names (CAA, RFC 8659), and that is said with a domain; without one nobody may. Write the directory \
         with the authority's host name.",
    ),
    code(
        "compiler::certificate-name",
        "Certificates are asked of a public authority, and a name lies below a top-level domain that is reserved, for which none \
         issues. Choose a name below a registered domain, or let the platform's own authority sign.",
    ),
    code(
        "compiler::certificate-too-large",
        "The doors of the platform answer for the hosts of every brand with one certificate, and public authorities take no more \
         than a hundred names in one. Let brands share host names among their protocols, or let fewer have names of their own.",
    ),
    code(
        "compiler::contract-exceeded",
        "A reseller declares more mailboxes, domains or storage than its contract allows. Storage is counted by the quotas of its \
         declared mailboxes, against the contract's storage times the cluster's over-commit of storage. The operator's line is \
         shown beside the reseller.",
    ),
    code(
        "compiler::contrast",
        "Text of a brand cannot be read well enough on its background. The ratio is that of WCAG 2, from 1 (the same colour) to 21 \
         (black on white); the operator's `brand-policy` states the least. Choose a darker text or a lighter background, or the \
         other way round.",
    ),
    code(
        "compiler::declared-twice",
        "Two things in different files or places have the same name, and only one of them can be meant: platforms, resellers, \
         environments, scenarios, hosts, outbound addresses, admins. Rename one of them or join the two. The first is shown too.",
    ),
    code(
        "compiler::domain-claimed-twice",
        "A domain, or an alias of one, is declared twice, by two resellers or by one. Mail for a domain goes to one place, so it \
         belongs to one reseller and stands once.",
    ),
    code(
        "compiler::environment-adds-role",
        "An environment asks for nodes of a role that the platform does not have. Environments may change how many nodes there are, \
         but not what the platform is made of: otherwise what is tried there would not be what runs in production.",
    ),
    code(
        "compiler::filter-loop",
        "`filter-mx` of a domain names a host of the platform itself: one below the operator's `service-domain`, or a brand's host \
         name. What the defense has let pass would come back to where it came from. Name the server on which the customer keeps \
         the mailboxes.",
    ),
    code(
        "compiler::foreign-host-name",
        "A brand uses a host name that lies in none of its reseller's own domains, or the operator one outside of its service domain. It would need a certificate and DNS records that \
         are somebody else's to give. Choose a name below one of the reseller's domains.",
    ),
    code(
        "compiler::forward-without-target",
        "A mailbox has a tier of the kind `forward`, which keeps no mail, and does not say where its mail is passed on to. Add \
         `forward \"ADDRESS\"`, or give it a tier that keeps mail.",
    ),
    code(
        "compiler::forwarding-loop",
        "Mail that is passed on comes back to the address where it began, over one or more forwards, lists, aliases or catch-alls. \
         It would go round until it is refused. Break the circle at one of its steps.",
    ),
    code(
        "compiler::front-too-small",
        "The site's front network has too few addresses for the nodes that the world reaches: each balancer and each DNS node needs \
         one, beside the router's and those of outbound pools. Write a larger network or lower the counts.",
    ),
    code(
        "compiler::host-name-clash",
        "One host name stands for two things. Nodes are called `ROLE-NUMBER` below the service domain and groups of them \
         `ROLE.CLUSTER`; HELO names, the SRS host and brands' hosts must be others. An environment's suffix must not lie in a \
         customer's domain.",
    ),
    code(
        "compiler::host-name-too-long",
        "A node's name together with the service domain is longer than a host name can be (253 octets), or the cluster's name is \
         too long to stand in front of it (63 octets for the whole label). Choose shorter names.",
    ),
    code(
        "compiler::internet-domain",
        "An environment declares a domain of the simulated internet that is on the platform itself: a customer's, or the operator's. \
         Mail for it would never go outside. Choose another name.",
    ),
    code(
        "compiler::keeps-no-mail",
        "A migration names an address whose mail is kept nowhere here: a forward, a list, or a mailbox whose tier only filters or passes \
         on. What is fetched from the old host needs a mailbox to lie in.",
    ),
    code(
        "compiler::keys-rotate-too-fast",
        "Two generations of signing keys are published: the one that signs and the one before it. A message that waits in a \
         queue for longer than a key is used finds its key gone when it arrives, and fails the check. Let `rotate` be longer \
         than `queue-lifetime`.",
    ),
    code(
        "compiler::list-not-asked",
        "A sender of the simulated internet is listed on a DNS list that the platform's defense does not ask, so that being listed \
         has no effect. Add the list to the defense, or remove it from the sender.",
    ),
    code(
        "compiler::logo-content",
        "The file of a logo or icon is not what its ending says, or an SVG holds something other than shapes and colours: scripts, \
         event handlers, links, animations, style sheets, declarations, or anything that would be fetched from elsewhere. Logos are \
         shown to other people's users, so what is not plainly harmless is refused. Save it as a plain drawing.",
    ),
    code(
        "compiler::logo-too-large",
        "The file of a logo or icon is larger than the operator's `brand-policy` allows. Save it smaller.",
    ),
    code(
        "compiler::logo-type",
        "The ending of a logo's file is not one that the operator's `brand-policy` allows; without a policy `svg` and `png` are \
         allowed.",
    ),
    code(
        "compiler::look-alike-domain",
        "A domain looks like another reseller's: letters of other scripts, digits for letters, `rn` for `m`. It may be honest; look \
         at it before it is used to deceive.",
    ),
    code(
        "compiler::missing-asset",
        "A brand names a file that is not in the repository. Paths are relative to the file that names them and stay inside the \
         folder of their owner.",
    ),
    code(
        "compiler::name-too-long",
        "Below a customer's domain the platform publishes names of its own: keys, policies, services. DNS has names of at most \
         253 characters, and with the labels before it this domain's would be longer.",
    ),
    code(
        "compiler::nearly-own-domain",
        "Mail is passed on to a domain that is nearly one of the reseller's own. It would leave the platform, for whoever has \
         that name. Correct the address, unless the other domain is really meant.",
    ),
    code(
        "compiler::network-too-small",
        "The site's inner network has no address for a node. Each role of each cluster has a block of its own in it, so that one \
         more node renumbers no other; a /16 has room for hundreds of nodes of each role.",
    ),
    code(
        "compiler::networks-overlap",
        "Two networks of the platform have addresses in common, so that an address would not say where it is. Choose networks that \
         are apart, over all sites, inner and front.",
    ),
    code(
        "compiler::no-admin",
        "A reseller has no admin, so that nobody can sign in to the API and the reseller interface for it. Declare one whose address \
         ends in the reseller's name and `.adm`.",
    ),
    code(
        "compiler::no-contract",
        "A reseller declares things, and the operator has no contract with it. A contract says which tiers, clusters and outbound \
         pools it may use, and how much; without one nothing is allowed.",
    ),
    code(
        "compiler::no-defense",
        "The platform declares no defense, so that spam and viruses reach every mailbox. That is allowed, and rarely meant.",
    ),
    code(
        "compiler::no-filter-host",
        "A mailbox has a tier of the kind `filter`: the defense looks at its mail, and what is clean goes to the customer's own \
         server. Its domain does not say which that is. Add `filter-mx \"HOST\"` to the domain, with `port=` where it is not 25, or \
         give the mailbox a tier of the kind `mailbox`.",
    ),
    code(
        "compiler::no-place",
        "A node has no place on any host of its site: too few hosts for nodes that must not share one, or too little memory, cores \
         (with the over-commit of cores) or disk. The message says what is lacking on most hosts.",
    ),
    code(
        "compiler::no-platform",
        "A repository of specifications begins with the operator's platform, usually in `platform.kdl`; nothing can be decided \
         without it.",
    ),
    code(
        "compiler::not-in-contract",
        "A reseller uses a tier, a cluster or an outbound pool that its contract does not hold. Choose one that it holds, or ask the \
         operator to add it. Both places are shown.",
    ),
    code(
        "compiler::not-internationalized",
        "An address has letters beyond ASCII before its `@`, and the platform's `mail` does not say `internationalized`: its daemons \
         refuse such addresses (RFC 6531), so that nobody could write to it.",
    ),
    code(
        "compiler::not-vouched",
        "A domain is said to be proven by the operator, and the reseller's contract does not say that the operator vouches for \
         it. A reseller's word is not enough: write `vouch \"DOMAIN\"` into the contract, or let the domain be shown by a record in its \
         own DNS (`dns-txt`).",
    ),
    code(
        "compiler::nowhere",
        "A scenario sends from or to a domain that is neither a reseller's nor in the simulated internet of any environment, \
         and that is nearly one of those. Correct it, or declare the domain.",
    ),
    code(
        "compiler::operators-domain",
        "A reseller declares the operator's service domain or a domain below it as a mail domain. The operator's own host names live \
         there, and nobody else's.",
    ),
    code(
        "compiler::policy-unreachable",
        "`mta-sts` has every domain publish that a policy is to be fetched from a web server (RFC 8461), and no cluster has the \
         role `web` that would answer. Senders would find the announcement and no policy.",
    ),
    code(
        "compiler::promotion-loop",
        "Environments are promoted from each other in a circle, so that none of them is the first. Remove one of the `from` lines.",
    ),
    code(
        "compiler::real-internet",
        "An environment from which another is promoted is a test environment, and nothing leaves the machine from one. Only \
         production, from which nothing is promoted, may meet the real internet.",
    ),
    code(
        "compiler::role-missing",
        "A tier switches on something for which the cluster of the domain has no nodes: IMAP and POP3 need `access` and `store`, \
         webmail needs `web`, calendars need `calendar`, and all mail needs `mx`. Add the role to the cluster, or choose another \
         tier.",
    ),
    code(
        "compiler::scores-out-of-order",
        "A score that a domain or mailbox changes does not fit those it inherits: what is tagged comes first, then what goes to the \
         Spam folder, then what is refused. Out of order, one of them would never have an effect.",
    ),
    code(
        "compiler::sender-policy-too-large",
        "All addresses of all outbound pools stand in one sender policy (SPF, RFC 7208), which receivers evaluate with at most \
         ten look-ups, and whose parts have to fit into an answer of DNS. Neighbouring addresses count as one network; lone \
         ones count each.",
    ),
    code(
        "compiler::several-defenses",
        "A platform has one defense that all its mail goes through. Join the settings of the two into one.",
    ),
    code(
        "compiler::signature-not-understood",
        "Mail is signed with `ed25519` alone, which some receivers do not know (RFC 8463), while `dmarc` asks them to turn away \
         mail without a valid signature. Directly sent mail still passes by its address; what somebody passes on does not.",
    ),
    code(
        "compiler::stale-rename",
        "`renamed-from` says that a thing had another name, so that a new name destroys nothing. Here the old name is still taken by \
         a sibling, or two things claim to have had it, so that nobody could say which of them goes on with what the old one \
         holds. Remove `renamed-from` where it has done its work.",
    ),
    code(
        "compiler::state-cannot-move",
        "A cluster is to survive the loss of a host, and the state of its stores and its directory lies on disks that are lost with \
         that host. Put the state on a storage of the site that all hosts share.",
    ),
    code(
        "compiler::storage-full",
        "The state disks of all nodes on a storage are larger together than the storage. Disks are not over-committed: a node whose \
         disk cannot grow to its size fails when it is needed most.",
    ),
    code(
        "compiler::storage-promised",
        "Contracts promise more storage on a cluster than its stores hold, even with what `overcommit storage` allows. Add stores, \
         promise less, or allow more.",
    ),
    code(
        "compiler::unknown-recipient",
        "A catch-all, a forward, a list or a migration names an address in one of the reseller's own domains, and nothing there \
         answers to it; or one in a domain of a single label, which nobody has. Declare it, or correct the address. Other companies' domains are not looked into.",
    ),
    code(
        "compiler::unproven-domain",
        "A domain, or an alias of one, asks to be proven by a record in its own DNS (`dns-txt`, also where it says nothing), and none is \
         recorded in mailwright.lock. Whoever declares a domain gets the mail that the platform's other users write to it, so a \
         reseller's word is not enough: publish the TXT record that the help shows at `_mailwright.DOMAIN`, and let \
         `mailwright reseller prove` look for it. Its text is `mailwright-verification=` and the first 32 hexadecimal digits of the SHA-256 of \
         `SERVICE-DOMAIN/RESELLER/DOMAIN`. A warning to those who check and plan; `build` and `promote` refuse it as an error \
         where the environment meets the real internet. A simulated internet needs no proof, nor do names that nobody can \
         hold, such as those below `.example` (RFC 2606).",
    ),
    code(
        "lock::folder-too",
        "A contract names the git repository that a reseller's specification comes from, and this repository has a folder of that \
         reseller as well. Only the pinned revision is read. Remove the folder, or the `repository` from the contract.",
    ),
    code(
        "lock::not-pinned",
        "A contract names the git repository that a reseller's specification comes from, and mailwright.lock pins no revision of it \
         yet. `mailwright reseller update NAME` fetches the branch, checks its newest revision against the whole specification, and \
         pins it when it has no errors.",
    ),
    code(
        "lock::nothing-there",
        "The newest revision of a reseller's repository holds no text that could be read. Its files belong at the top of the \
         repository, as they would lie in resellers/NAME; symbolic links are passed over.",
    ),
    code(
        "lock::other-repository",
        "mailwright.lock pins a revision of another repository or branch than the contract names now. Pin anew with `mailwright \
         reseller update NAME`; until then nothing of that reseller is read.",
    ),
    code(
        "lock::revision-gone",
        "The revision that mailwright.lock pins is neither in the cache nor on its branch: somebody rewrote the branch, or the lock \
         was changed by hand. Only revisions that were on the contract's branch are ever read. Take a newer one with `mailwright \
         reseller update NAME`, bring the lock back from its history, or ask the reseller to bring the revision back.",
    ),
    code(
        "lock::too-large",
        "A reseller's repository holds more than a specification can: more files than are listed, or more than 2 GiB together. Let \
         the reseller keep its specification in a repository of its own.",
    ),
    code(
        "lock::unreachable",
        "The revision that mailwright.lock pins is not in the cache ($XDG_CACHE_HOME/mailwright/repositories), and the reseller's \
         repository cannot be fetched: git is missing, the network is down, or there is no right to read it. `git ls-remote URL` \
         shows what git itself says of it; it never asks for a password here.",
    ),
    code(
        "lock::unreadable",
        "mailwright.lock is not what this version of the program writes: it was changed by hand, a merge left its marks in it, or \
         another version wrote it. Bring it back from the repository's history, or remove it, and pin and prove anew.",
    ),
    code(
        "scenario::broken",
        "While a scenario was carried out, the environment did not do what every environment does: a door took no connection, or \
         the backend failed. This says nothing of what the scenario expects. See `mailwright logs`, and the evidence that `test` \
         has kept.",
    ),
    code(
        "scenario::unmet",
        "A step of a scenario did not come out as it must: another reply, another count, something that is missing or should not \
         be there. The marked line is the step; the evidence that `test` has kept holds every dialogue and message.",
    ),
    code(
        "spec::unknown-brand",
        "A domain names a brand that its reseller does not declare. Brands belong to one reseller each and cannot be borrowed.",
    ),
    code(
        "spec::unknown-cluster",
        "A domain, a contract or an environment names a cluster that the platform does not declare.",
    ),
    code(
        "spec::unknown-domain",
        "A scenario sends to a domain that no reseller declares. The help names the nearest one.",
    ),
    code("spec::unknown-environment", "`from`, or the command line, names an environment that no file declares."),
    code(
        "spec::unknown-host",
        "A scenario breaks, moves to or evacuates a host that no site has. Hosts are called by their group and their number, such as \
         `x4600-2`.",
    ),
    code(
        "spec::unknown-node",
        "A scenario breaks or moves a node that no environment has. Nodes are called by their role and their number, such as \
         `store-1`; where several clusters have a role, the cluster's name stands in front for all but the first.",
    ),
    code("spec::unknown-outbound", "A domain or a contract names an outbound pool that the platform does not declare."),
    code("spec::unknown-platform", "An environment names a platform that is not the one of this repository."),
    code(
        "spec::unknown-reseller",
        "A contract names a reseller that no file declares. That is no mistake while the reseller has written nothing yet, and \
         probably one when its name is nearly right.",
    ),
    code(
        "spec::unknown-scenario",
        "A gate names a scenario that no file declares. Scenarios are named by their whole titles.",
    ),
    code("spec::unknown-site", "A cluster names a site that the platform does not declare."),
    code("spec::unknown-storage", "A cluster keeps its state on a storage that its site does not have."),
    code(
        "spec::unknown-tier",
        "A domain, a mailbox or a contract names a tier that the platform does not declare. Tiers are the operator's; the help lists \
         those there are.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_stand_once() {
        assert!(OWN.is_sorted_by(|one, two| one.code < two.code));
        assert!(codes().is_sorted_by(|one, two| one.code < two.code));
        let readers = [spec::CODES, spec::kdl::CODES, spec::yaml::CODES, spec::convert::CODES];
        let read: usize = readers.iter().map(|codes| codes.len()).sum();
        assert_eq!(codes().len(), read + OWN.len());
    }
}
