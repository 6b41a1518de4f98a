//! An environment as people see it: doors, accounts, and what to try first.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use environments::Description;

/// Returns a table in the one look all of ours have.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table
}

pub(super) fn write(out: &mut dyn Write, description: &Description, built_in: bool) -> io::Result<()> {
    writeln!(out, "{} is {} ({} backend)\n", description.environment, description.state.name(), description.backend)?;
    writeln!(out, "{}\n", doors(description))?;
    let mut accounts = table(&["account", "password", "kind"]);
    for account in &description.accounts {
        let kind = serde_json::to_value(account.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        accounts.add_row([account.address.as_str(), account.password.as_deref().unwrap_or("not shown"), kind]);
    }
    if !description.accounts.is_empty() {
        writeln!(out, "{accounts}\n")?;
    }
    writeln!(out, "certificate authority: {}", description.authority)?;
    writeln!(out, "nothing leaves this machine: every other domain is the simulated internet")?;
    let door = |service: &str| description.doors.iter().find(|door| door.service == service);
    if let Some(console) = door("console").and_then(|door| door.url.as_deref()) {
        writeln!(out, "reseller interface: {console}")?;
    }
    let mailbox = description
        .accounts
        .iter()
        .find(|account| account.kind == blueprint::launch::AccountKind::Mailbox && is_plain(&account.address))
        .and_then(|account| account.password.as_deref().map(|password| (account.address.as_str(), password)));
    if let (Some(mx), Some(imaps), Some((address, password))) = (door("mx"), door("imaps"), mailbox) {
        writeln!(out, "\ntry:")?;
        let mut outside = description.accounts.iter().filter(|account| is_plain(&account.address));
        let outside = outside.find_map(|account| Some((account.address.as_str(), account.source?)));
        if let Some((sender, source)) = outside {
            // From the sender's own host, and with what honest mail has, so that the defense has nothing against it.
            let domain = sender.rsplit('@').next().unwrap_or(sender);
            writeln!(
                out,
                "  printf 'From: {sender}\\r\\nTo: {address}\\r\\nMessage-ID: <1@{domain}>\\r\\nSubject: hello\\r\\n\\r\\nHello.\\r\\n' |\n    \
                 curl --interface {source} smtp://{}:{}/mx.{domain} \\\n    \
                 --mail-from {sender} --mail-rcpt {address} --upload-file -",
                mx.host, mx.port
            )?;
        }
        writeln!(
            out,
            "  curl --cacert {} --user '{address}:{password}' \\\n    'imaps://{}:{}/INBOX;MAILINDEX=1'",
            description.authority, imaps.host, imaps.port
        )?;
    }
    if built_in {
        writeln!(out, "\nstop it with Ctrl-C, or mailwright down --try when it runs in the background")?;
    }
    Ok(())
}

/// Tells whether a shell takes an address as it stands, so that it can be shown in a command.
fn is_plain(address: &str) -> bool {
    address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@.-_+".contains(&byte))
}

/// Returns the table of doors; with what was found when they were asked, where they were.
pub(crate) fn doors(description: &Description) -> Table {
    let asked = description.doors.iter().any(|door| door.answers.is_some());
    let mut header = vec!["service", "address", "tls", "node"];
    if asked {
        header.push("answers");
    }
    let mut doors = table(&header);
    for door in &description.doors {
        let place = door.url.clone().unwrap_or_else(|| format!("{}:{}", door.host, door.port));
        let tls = serde_json::to_value(door.tls).ok();
        let tls = tls.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let mut row = vec![door.service.clone(), place, tls, door.node.clone()];
        if asked {
            row.push(match (&door.answers, &door.problem) {
                (Some(true), _) => "yes".to_owned(),
                (_, Some(problem)) => format!("no: {problem}"),
                _ => String::new(),
            });
        }
        doors.add_row(row);
    }
    doors
}
