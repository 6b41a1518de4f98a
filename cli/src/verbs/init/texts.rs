//! The files of a new repository.

use super::Answers;

/// Returns each file's path and text.
pub(super) fn files(answers: &Answers) -> Vec<(String, String)> {
    vec![
        ("platform.kdl".to_owned(), platform(answers)),
        (format!("resellers/{0}/{0}.kdl", answers.reseller), reseller(answers)),
        ("environments/dev.kdl".to_owned(), dev(answers)),
        ("environments/production.kdl".to_owned(), production(answers)),
        ("scenarios/smoke.kdl".to_owned(), smoke(answers)),
        (".github/workflows/mailwright.yml".to_owned(), workflow()),
    ]
}

/// A KDL string: the quote and the backslash are all that needs escaping in one line (KDL 2.0.0, quoted strings).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn platform(answers: &Answers) -> String {
    let Answers { platform, operator, service_domain, reseller, .. } = answers;
    let operator = quoted(operator.as_str());
    format!(
        r#"language 1

platform "{platform}" {{
    operator {operator} postmaster="postmaster@{service_domain}" abuse="abuse@{service_domain}"
    service-domain "{service_domain}"
    release "1" distribution="bookworm"

    site "home" {{
        network "10.20.0.0/16"
        front "203.0.113.0/28"
        storage "filer" size="8TiB" shared=#true
        hosts "host" count=4 hypervisor="kvm" cores=8 memory="32GiB" disk="600GiB"
    }}

    cluster "a" site="home" {{
        capacity mailboxes=5000 typical="100MiB"
        state on="filer"
        balancer count=2
        mx count=2
        defense count=2
        cache count=3
        submission count=2
        outbound count=2
        store count=2 disk="400GiB"
        access count=2
        web count=2
        control count=2
        directory count=3
        calendar count=1
        dns count=2
        monitor count=1
        spread by="host"
        overcommit cores=2.0 storage=4.0
    }}

    defense "defense" {{
        hookup "milter"
        spam engine="rspamd" tag=5.0 quarantine=8.0 reject=15.0 subject="[SPAM]"
        virus engine="clamav" action="quarantine" on-unavailable="defer" max-size="25MiB"
    }}

    mail {{
        max-message "35MiB"
        queue-lifetime "5d"
        bounce-notice "4h"
        subaddressing "+"
    }}
    outbound "shared" {{
        address "203.0.113.4" helo="out4.{service_domain}"
    }}
    retention deleted-mailbox="30d" deleted-message="14d" logs="90d" audit="400d"

    tier "basic" {{
        kind "mailbox"
        quota "2GiB"
        pop3
        imap
        webmail
        send-limit "250/24h"
    }}

    brand-policy {{
        allow "logo" "colours" "hosts" "texts"
        contrast minimum=4.5
    }}

    contract "{reseller}" from="2026-01-01" {{
        mailboxes 1000
        domains 20
        storage "2TiB"
        tiers "basic"
        clusters "a"
        outbound "shared" limit="50000/24h"
    }}
}}
"#
    )
}

fn reseller(answers: &Answers) -> String {
    let Answers { reseller, domain, .. } = answers;
    format!(
        r##"language 1

reseller "{reseller}" {{
    company "{reseller}"
    contact "hostmaster@{domain}"
    language "en"
    admin "admin@{reseller}.adm"

    brand "{reseller}" {{
        product "{reseller} mail"
        colours primary="#1f5fbf" on-primary="#ffffff" background="#ffffff" text="#1b1b1b"
    }}

    domain "{domain}" tier="basic" brand="{reseller}" cluster="a" outbound="shared" {{
        workgroup "staff" {{
            mailbox "alice" {{
                name "Alice Example"
            }}
            mailbox "hostmaster"
        }}
    }}
}}
"##
    )
}

fn dev(answers: &Answers) -> String {
    format!(
        r#"language 1

environment "dev" {{
    platform "{}" release="1"
    backend "embedded"
    suffix "dev.{}"
    scale "smallest"
    accounts "all"
    expose address="127.0.0.1" base-port=2500
    secrets "generate"
    internet "simulated" {{
        domain "bigmail.example" {{
            mailbox "bob"
        }}
    }}
}}
"#,
        answers.platform, answers.service_domain
    )
}

fn production(answers: &Answers) -> String {
    format!(
        r#"language 1

environment "production" {{
    platform "{}" release="1"
    from "dev"
    backend "fleet"
    accounts "all"
    secrets "environment-variables"
    internet "real"
}}
"#,
        answers.platform
    )
}

fn smoke(answers: &Answers) -> String {
    let domain = &answers.domain;
    format!(
        r#"language 1

scenario "mail from outside arrives" {{
    send from="bob@bigmail.example" to="alice@{domain}" subject="hello"
    expect mailbox="alice@{domain}" folder="INBOX" count=1 within="30s"
}}
"#
    )
}

fn workflow() -> String {
    "name: mailwright\non: [push, pull_request]\njobs:\n  check:\n    runs-on: ubuntu-latest\n    steps:\n      \
     - uses: actions/checkout@v4\n      - run: mailwright check --format github\n"
        .to_owned()
}
